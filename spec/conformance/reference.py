"""The reference reader as an implementation for `run.py`."""

import base64
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "reference"))
import fred_reference


def answer(path: str) -> dict[str, object]:
    if not path.endswith(".fred"):
        return {"supported": False}
    try:
        meta, arrays = fred_reference.read(Path(path).read_bytes())
    except (ValueError, RuntimeError, RecursionError) as error:
        rule = str(error)
        return {"valid": False, "findings": [rule] if rule.startswith("FRED-") else []}
    images = fred_reference.decode(meta, arrays)
    values = base64.b64encode(images.astype("<f8").tobytes()).decode()
    decoded = {"shape": images.shape, "values": values, "labels": arrays["labels"].tolist()}
    return {"valid": True, "findings": [], "digest": fred_reference.content_digest(meta, arrays), "decoded": decoded}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(answer(line.rstrip("\n"))), flush=True)
