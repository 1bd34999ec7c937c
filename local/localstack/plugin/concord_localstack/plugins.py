"""The classes that LocalStack looks up by name. They import late: LocalStack must be set up before."""

from localstack.services.cloudformation.resource_provider import CloudFormationResourceProviderPlugin
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin


class ExecutorPlugin(RuntimeExecutorPlugin):
    """LAMBDA_RUNTIME_EXECUTOR=concord"""

    name = "concord"

    def load(self, *args, **kwargs):
        from concord_localstack.executor import NodeExecutor

        return NodeExecutor


class CustomResourcePlugin(CloudFormationResourceProviderPlugin):
    """For ``AWS::CloudFormation::CustomResource`` and, by a rule of LocalStack, ``Custom::*``."""

    name = "AWS::CloudFormation::CustomResource"

    def __init__(self):
        self.factory = None

    def load(self, *args, **kwargs):
        from concord_localstack.custom_resource import CustomResourceProvider

        self.factory = CustomResourceProvider
