"""Custom resources of CloudFormation that a Lambda function stands behind. Without this LocalStack passes them over."""

import json
import uuid
from dataclasses import dataclass

from botocore.config import Config
from localstack.aws.connect import connect_to
from localstack.services.cloudformation.resource_provider import (
    OperationStatus,
    ProgressEvent,
    ResourceProvider,
    ResourceRequest,
)
from localstack.utils.threads import start_thread

from concord_localstack.custom_resource_answers import expect_answer

#: CloudFormation's own limit where the template has no ServiceTimeout.
DEFAULT_LIMIT_SECONDS = 3600
#: Longer than any function may run, and never a second invocation.
LAMBDA_CLIENT = Config(read_timeout=910, retries={"total_max_attempts": 1})


@dataclass(frozen=True)
class Deployed:
    """What a stack has made of a custom resource."""

    physical_id: str
    properties: dict


#: By stack id and logical id. Nothing here outlives the process, as LocalStack's own state does not.
_deployed: dict[tuple[str, str], Deployed] = {}


class CustomResourceProvider(ResourceProvider):
    TYPE = "AWS::CloudFormation::CustomResource"
    SCHEMA = {"primaryIdentifier": ["/properties/PhysicalResourceId"]}

    def create(self, request: ResourceRequest) -> ProgressEvent:
        properties = properties_of(request)
        answer = ask(request, "Create", properties)
        if answer["Status"] == "SUCCESS":
            return keep(request, properties, answer, f"{request.stack_name}-{uuid.uuid4().hex}")
        if physical_id := answer.get("PhysicalResourceId"):  # the first thing that CloudFormation's rollback does
            ask(request, "Delete", properties, physical_id)
        return failed(answer)

    def update(self, request: ResourceRequest) -> ProgressEvent:
        properties, before = properties_of(request), _deployed[key_of(request)]
        answer = ask(request, "Update", properties, before.physical_id, before.properties)
        if answer["Status"] != "SUCCESS":
            return failed(answer)
        event = keep(request, properties, answer, before.physical_id)
        if _deployed[key_of(request)].physical_id != before.physical_id:  # a replacement; if the old one stays, nobody minds
            ask(request, "Delete", before.properties, before.physical_id)
        return event

    def delete(self, request: ResourceRequest) -> ProgressEvent:
        deployed = _deployed.get(key_of(request))
        if deployed is None:  # its creation has failed
            return ProgressEvent(OperationStatus.SUCCESS, resource_model={})
        answer = ask(request, "Delete", deployed.properties, deployed.physical_id)
        if answer["Status"] != "SUCCESS":
            return failed(answer)
        del _deployed[key_of(request)]
        return ProgressEvent(OperationStatus.SUCCESS, resource_model={})


def key_of(request: ResourceRequest) -> tuple[str, str]:
    return request.stack_id, request.logical_resource_id


def properties_of(request: ResourceRequest) -> dict:
    """As the function gets them: CloudFormation hands every scalar over as a string."""
    given = {name: value for name, value in request.desired_state.items() if name != "PhysicalResourceId"}
    return with_strings(given)


def with_strings(value):
    if isinstance(value, dict):
        return {name: with_strings(member) for name, member in value.items()}
    if isinstance(value, list):
        return [with_strings(member) for member in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if value is None or isinstance(value, str) else str(value)


def ask(request: ResourceRequest, kind: str, properties: dict, physical_id: str | None = None, old: dict | None = None) -> dict:
    """Sends one request to the function and waits for its answer, which may come after the function has ended."""
    function = properties["ServiceToken"]
    with expect_answer() as answer:
        event = {
            "RequestType": kind,
            "ResponseURL": answer.url,
            "StackId": request.stack_id,
            "RequestId": str(uuid.uuid4()),
            "ResourceType": request.resource_type,
            "LogicalResourceId": request.logical_resource_id,
            **({} if physical_id is None else {"PhysicalResourceId": physical_id}),
            "ServiceToken": function,
            "ResourceProperties": properties,
            **({} if old is None else {"OldResourceProperties": old}),
        }
        start_thread(lambda *_: invoke(request, function, event, answer.fail), name="custom-resource")
        return answer.wait(float(properties.get("ServiceTimeout", DEFAULT_LIMIT_SECONDS)))


def invoke(request: ResourceRequest, function: str, event: dict, fail) -> None:
    """Tells at once that the function has failed; CloudFormation would wait for the rest of the hour."""
    client = connect_to(
        aws_access_key_id=request.account_id, region_name=request.region_name, config=LAMBDA_CLIENT
    ).lambda_
    try:
        response = client.invoke(FunctionName=function, Payload=json.dumps(event))
        if response.get("FunctionError"):
            fail(response["Payload"].read().decode())
    except Exception as error:  # whatever it is, the stack has to hear of it
        fail(str(error))


def keep(request: ResourceRequest, properties: dict, answer: dict, default_id: str) -> ProgressEvent:
    """Remembers what was made. The model is what Ref and Fn::GetAtt are looked up in."""
    data = answer.get("Data") or {}
    physical_id = answer.get("PhysicalResourceId") or default_id
    _deployed[key_of(request)] = Deployed(physical_id, properties)
    model = {**properties, **nested(data), **data, "PhysicalResourceId": physical_id}
    return ProgressEvent(OperationStatus.SUCCESS, resource_model=model)


def nested(data: dict) -> dict:
    """``{'a': {'b': 1}}`` of ``{'a.b': 1}``: LocalStack looks attributes with dots up as paths."""
    result: dict = {}
    for name, value in data.items():
        *path, last = name.split(".")
        folder = result
        for part in path:
            inner = folder.get(part)
            folder[part] = inner if isinstance(inner, dict) else {}
            folder = folder[part]
        folder[last] = value
    return result


def failed(answer: dict) -> ProgressEvent:
    message = f"Received response status [FAILED] from custom resource. Message returned: {answer.get('Reason')}"
    return ProgressEvent(OperationStatus.FAILED, resource_model={}, message=message)
