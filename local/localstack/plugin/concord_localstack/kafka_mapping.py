"""
Event source mappings of Kafka: stored, listed, enabled, disabled and updated as on AWS. Nothing is polled here; what polls is
``local/mapping`` in TypeScript.
"""

from functools import partial

from localstack.runtime import hooks
from localstack.services.lambda_.event_source_mapping.pollers.poller import EmptyPollResultsException, Poller
from localstack.services.lambda_.hooks import create_event_source_poller, set_event_source_config_defaults

#: What LocalStack calls the source of a mapping: "" stands for self-managed brokers, which have no ARN.
KAFKA = ("kafka", "")


class IdlePoller(Poller):
    """Finds nothing, for ever."""

    def __init__(self, mapping, arn=None, client=None, processor=None):
        super().__init__(source_arn=arn, source_client=client, processor=processor)
        self.mapping = mapping

    def event_source(self) -> str:
        return "aws:kafka"

    def poll_events(self) -> None:
        source = self.mapping.get("EventSourceArn") or "self-managed"
        raise EmptyPollResultsException(service="kafka", source_arn=source)


@create_event_source_poller()
def create_poller(holder, source_service, mapping):
    if source_service in KAFKA and not holder.create_poller_fn:
        holder.create_poller_fn = partial(IdlePoller, mapping)


@set_event_source_config_defaults()
def set_defaults(defaults, request, source_service):
    if source_service in KAFKA:
        defaults.setdefault("BatchSize", 100)


@hooks.on_infra_start()
def mend_cloudformation():
    """What the resource of CloudFormation passes on wrongly, or not at all, to the API of Lambda."""
    from localstack.services.cloudformation import provider_utils
    from localstack.services.lambda_.resource_providers import aws_lambda_eventsourcemapping as resource

    class Utilities:
        """An update forgets what provisioned mode has added to the API."""

        def __getattr__(self, name):
            return getattr(provider_utils, name)

        @staticmethod
        def select_attributes(model, params):
            return provider_utils.select_attributes(model, [*params, "ProvisionedPollerConfig"])

    resource.util = Utilities()
    create = resource.LambdaEventSourceMappingProvider.create

    def create_with_names_of_the_api(self, request):
        request.desired_state = with_names_of_the_api(request.desired_state)
        return create(self, request)

    resource.LambdaEventSourceMappingProvider.create = create_with_names_of_the_api


def with_names_of_the_api(properties: dict) -> dict:
    """Templates say ``KafkaBootstrapServers`` where the API says ``KAFKA_BOOTSTRAP_SERVERS``."""
    endpoints = properties.get("SelfManagedEventSource", {}).get("Endpoints", {})
    if "KafkaBootstrapServers" not in endpoints:
        return properties
    renamed = {"KAFKA_BOOTSTRAP_SERVERS": endpoints["KafkaBootstrapServers"]}
    return {**properties, "SelfManagedEventSource": {"Endpoints": renamed}}
