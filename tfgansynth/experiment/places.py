"""How files and folders below a fold's are called."""

ORIGIN = "origin.json"
"""Says in a U-Net's folder what it came from, and that it is done."""
HISTORY, MODEL = "history.csv", "model.keras"
"""Files of every U-Net, besides `ORIGIN`, which is written last."""
ASSESSMENT, ARRAYS = "assessment.json", "assessment.npz"
"""Files of an assessment."""


def teacher_name(number: int) -> str:
    """Folder of a teacher."""
    return f"teachers/teacher-{number}"


def judge_name(number: int) -> str:
    """Folder of a judge."""
    return f"judges/judge-{number}"
