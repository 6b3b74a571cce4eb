"""Reads a remote-write request with the official protobuf library, from the messages as the specification has them."""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_LABELS = {"TYPE_STRING": 9, "TYPE_DOUBLE": 1, "TYPE_INT64": 3, "TYPE_MESSAGE": 11}
_MESSAGES = {
    "Label": [("name", 1, "TYPE_STRING", ""), ("value", 2, "TYPE_STRING", "")],
    "Sample": [("value", 1, "TYPE_DOUBLE", ""), ("timestamp", 2, "TYPE_INT64", "")],
    "TimeSeries": [("labels", 1, "TYPE_MESSAGE", "Label"), ("samples", 2, "TYPE_MESSAGE", "Sample")],
    "WriteRequest": [("timeseries", 1, "TYPE_MESSAGE", "TimeSeries")],
}


def _made() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="remote.proto", package="prometheus", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind, of in fields:
            one = message.field.add(name=field, number=number, type=_LABELS[kind], label=3 if of else 1)
            if of:
                one.type_name = f".prometheus.{of}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("prometheus.WriteRequest"))


_REQUEST = _made()


def series_in(body: bytes) -> list[tuple[dict[str, str], dict[int, float]]]:
    """Return the series of a request: labels as they stand, and values by their moments."""
    request = _REQUEST.FromString(body)
    return [
        ({label.name: label.value for label in one.labels}, {sample.timestamp: sample.value for sample in one.samples})
        for one in request.timeseries
    ]
