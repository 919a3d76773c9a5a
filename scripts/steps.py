"""Names of :mod:`medner.command_line`, for scripts that still import them from here."""

from medner.command_line import MIRROR_HELP, ROOT, folder_or_none, good, new_app, note, note_left_out, step

__all__ = ["MIRROR_HELP", "ROOT", "folder_or_none", "good", "new_app", "note", "note_left_out", "step"]
