"""Names of the script runner."""

from __future__ import annotations

PYTHON_SCRIPT_FILE_EXTENSION = ".py"
POWERSHELL_SCRIPT_FILE_EXTENSION = ".ps1"
DEFAULT_POWERSHELL_EXECUTABLE = "powershell"
EVAL_PYTHON = "eval_python"
