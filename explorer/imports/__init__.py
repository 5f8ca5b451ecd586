"""Pictures made elsewhere: what they say of themselves, a preview, and the import as a run."""

from pathlib import Path

from explorer.imports.foreign import ForeignRecipe as ForeignRecipe
from explorer.imports.importing import PictureImport as PictureImport
from explorer.imports.pictures import Unusable as Unusable
from explorer.imports.pictures import check_file, inspect
from explorer.imports.preview import ImportPreview as ImportPreview
from explorer.imports.preview import preview as preview
from explorer.imports.prompts import prompt_list as prompt_list
from explorer.imports.tools import recognise


def read_foreign(path: Path) -> ForeignRecipe:
    """The recipe that another tool wrote into a picture.

    Raises:
        Unusable: It is no picture that is taken, or carries no known recipe; says why.
    """
    check_file(path)
    return recognise(inspect(path))
