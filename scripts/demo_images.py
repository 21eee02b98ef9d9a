"""Build the two images of manifests/javaweb-2.yaml from Debian's packages, once.

The names in that manifest stand for images of a registry. Here they are made from what the
machine's own package sources offer, and imported under those names:

    geektime/sample:v2     a static busybox and /sample.war, a real web archive
    geektime/tomcat:7.0    Tomcat 10 on OpenJDK, at the place where the manifest expects one
"""

from __future__ import annotations

import io
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

TOMCAT, SAMPLE = "geektime/tomcat:7.0", "geektime/sample:v2"
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BASE = "/root/apache-tomcat-7.0.42-v2"
PACKAGES = ("tomcat10-user", "default-jre-headless")
UNUSED = ("man", "locale", "info", "doc")  # below /usr/share; copyright files stay

INDEX_JSP = """\
<%@ page contentType="text/html; charset=UTF-8" import="java.nio.file.*" %><!DOCTYPE html>
<html>
<head><title>javaweb-2</title></head>
<body>
<h1>Hello from a Pod</h1>
<p>sample.war came from one image, Tomcat from another; an emptyDir brought them together.</p>
<ul>
<li>server: <%= application.getServerInfo() %></li>
<li>host name: <%= Files.readString(Path.of("/etc/hostname")).strip() %></li>
<li>pod address: <%= request.getLocalAddr() %></li>
<li>1 + ... + 100 = <%= java.util.stream.IntStream.rangeClosed(1, 100).sum() %></li>
</ul>
<p><a href="about.html">a static page</a></p>
</body>
</html>
"""
ABOUT_HTML = """\
<!DOCTYPE html>
<html><head><title>about</title></head><body><p>A static page of the same WAR.</p></body></html>
"""
WEB_XML = """\
<?xml version="1.0" encoding="UTF-8"?>
<web-app xmlns="https://jakarta.ee/xml/ns/jakartaee" version="5.0">
  <display-name>sample</display-name>
</web-app>
"""
START_SH = f"""\
#!/bin/sh
# Tomcat in the foreground, as the container's main process.
export CATALINA_HOME=/usr/share/tomcat10
export CATALINA_BASE={BASE}
exec "$CATALINA_HOME/bin/catalina.sh" run
"""
# What tomcat10-instance-create does, without its questions; $1 is the root of the image.
INSTANCE_HOOK = f"""\
#!/bin/sh
set -e
base="$1{BASE}"
cp -r "$1/usr/share/tomcat10/skel" "$base"
mkdir "$base/webapps" "$base/logs" "$base/work" "$base/temp"
cat >"$base/bin/start.sh" <<'EOF'
{START_SH}EOF
chmod 755 "$base/bin/start.sh"
"""


def main() -> None:
    for image, build in ((SAMPLE, sample_tar), (TOMCAT, tomcat_tar)):
        if podrun("image", "inspect", image, quiet=True):
            say(f"image {image}: there already")
            continue
        with tempfile.TemporaryDirectory(prefix="podrun-demo-") as directory:
            tar = build(Path(directory))
            say(f"image {image}: importing {tar.stat().st_size >> 20} MiB")
            if not podrun("image", "import", str(tar), image, "--env", PATH):
                sys.exit(f"image {image} could not be imported (podrun said why, above)")


def say(text: str) -> None:
    sys.stderr.write(text + "\n")


def podrun(*args: str, quiet: bool = False) -> bool:
    output = subprocess.DEVNULL if quiet else None
    command = [sys.executable, "-m", "podrun", *args]
    return subprocess.run(command, check=False, stdout=output, stderr=output).returncode == 0


# ── the WAR and what carries it ──────────────────────────────────────────────────────────────────


def web_archive() -> bytes:
    """A real WAR: one JSP, compiled by Tomcat when it is first asked for, and one static page."""
    files = {"index.jsp": INDEX_JSP, "about.html": ABOUT_HTML, "WEB-INF/web.xml": WEB_XML}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def sample_tar(directory: Path) -> Path:
    say(f"image {SAMPLE}: busybox and sample.war")
    busybox = static_busybox(directory)
    applets = subprocess.run([busybox, "--list"], check=True, capture_output=True, text=True)
    tar = directory / "sample.tar"
    with tarfile.open(tar, "w") as archive:
        for name in ("bin", "etc", "root", "tmp"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            archive.addfile(entry)
        for applet in applets.stdout.split():
            if applet != "busybox":
                link = tarfile.TarInfo(f"bin/{applet}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                archive.addfile(link)
        add_file(archive, "bin/busybox", busybox.read_bytes(), 0o755)
        add_file(archive, "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n", 0o644)
        add_file(archive, "sample.war", web_archive(), 0o644)
    return tar


def add_file(archive: tarfile.TarFile, name: str, data: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), mode
    archive.addfile(entry, io.BytesIO(data))


def static_busybox(directory: Path) -> Path:
    """Debian's, unpacked but not installed: as a package it would replace another busybox."""
    command = ["apt-get", "download", "--quiet=2", "-o", "APT::Sandbox::User=root"]
    subprocess.run([*command, "busybox-static"], cwd=directory, check=True)
    (package,) = directory.glob("busybox-static_*.deb")
    subprocess.run(["dpkg-deb", "--extract", package, directory / "busybox"], check=True)
    found = (path for path in (directory / "busybox").rglob("busybox") if path.is_file())
    return next(path for path in found if os.access(path, os.X_OK))


# ── Tomcat ───────────────────────────────────────────────────────────────────────────────────────


def tomcat_tar(directory: Path) -> Path:
    say(f"image {TOMCAT}: Debian with {', '.join(PACKAGES)} (about a minute)")
    hook = directory / "hook"
    hook.write_text(INSTANCE_HOOK)
    hook.chmod(0o755)
    tar = directory / "tomcat.tar"
    release = platform.freedesktop_os_release()
    command = ["mmdebstrap", "--quiet", "--mode=root", "--variant=essential"]
    command += ["--keyring=/usr/share/keyrings", "--aptopt=APT::Install-Recommends false"]
    command += [f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in UNUSED]
    command += ["--dpkgopt=path-include=/usr/share/doc/*/copyright"]
    # The JRE's packages register their man pages, wanted or not.
    command += ['--essential-hook=mkdir -p "$1/usr/share/man/man1"']
    command += [f"--customize-hook={hook}", f"--include={','.join(PACKAGES)}"]
    command += [release["VERSION_CODENAME"], str(tar), "-"]
    sources = apt_sources(release["ID"].capitalize())
    subprocess.run(command, input=sources, text=True, check=True)
    return tar


def apt_sources(origin: str) -> str:
    """The distribution's own sources that this machine is configured with, as apt knows them."""
    line = "deb $(REPO_URI) $(RELEASE) $(COMPONENT)"
    command = ["apt-get", "indextargets", "--format", line, "Created-By: Packages"]
    done = subprocess.run(
        [*command, f"Origin: {origin}"], check=True, capture_output=True, text=True
    )
    if not done.stdout.strip():
        sys.exit(f"apt knows no package sources of {origin} yet: run apt-get update")
    return done.stdout


if __name__ == "__main__":
    main()
