"""What all models of Kubernetes objects share."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel


class Model(BaseModel):
    """A part of an object: camelCase on the wire, strict about types, and unknown fields are kept.

    A field that may be absent is `X | None`; in the schema it is optional and not nullable.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="allow",
        strict=True,
        use_attribute_docstrings=True,
    )


#: RFC 3339, in UTC: `2025-01-31T12:00:00Z`.
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]

#: A count that people write as `3` or as `"3"`.
IntOrString = Annotated[int | str, WithJsonSchema({"x-kubernetes-int-or-string": True})]

#: An object of any shape.
AnyObject = dict[str, Any]
