"""The command line. Each of its modules imports click: what click need not load is kept back."""

from podrun.cli.lazy import defer

defer("inspect")
