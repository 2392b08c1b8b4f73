"""fredfmt as an implementation for `run.py`."""

import base64
import json
import sys

import torch

import fredfmt


def answer(path: str) -> dict[str, object]:
    report = fredfmt.validate(path)
    result: dict[str, object] = {"valid": report.valid, "findings": [finding.rule for finding in report.findings]}
    if report.valid:
        data = fredfmt.load(path)
        images = fredfmt.decode(data).to(torch.float64).numpy()
        values = base64.b64encode(images.astype("<f8").tobytes()).decode()
        result["digest"] = report.digest
        result["decoded"] = {"shape": images.shape, "values": values, "labels": data.labels.tolist()}
    return result


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(answer(line.rstrip("\n"))), flush=True)
