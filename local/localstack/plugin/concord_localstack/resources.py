"""Resources that LocalStack's CloudFormation makes in name only, or does not take away whole."""

from functools import wraps

from localstack.runtime import hooks


@hooks.on_infra_start()
def mend_resources():
    make_rotation_schedules()
    forget_empty_layers()


def make_rotation_schedules():
    """They are accepted, and no secret hears of them."""
    from localstack.services.cloudformation.resource_provider import OperationStatus, ProgressEvent
    from localstack.services.secretsmanager.resource_providers import aws_secretsmanager_rotationschedule as resource
    from moto.secretsmanager.models import secretsmanager_backends

    def schedule(self, request):
        model = request.desired_state
        model.setdefault("Id", model["SecretId"])
        # RotateSecret of LocalStack fails when it is told not to rotate at once.
        secret = secretsmanager_backends[request.account_id][request.region_name].secrets[model["SecretId"]]
        secret.rotation_lambda_arn = model["RotationLambdaARN"]
        secret.auto_rotate_after_days = int(model.get("RotationRules", {}).get("AutomaticallyAfterDays", 0))
        secret.rotation_enabled = secret.rotation_requested = True
        if model.get("RotateImmediatelyOnUpdate", True):
            request.aws_client_factory.secretsmanager.rotate_secret(SecretId=model["SecretId"])
        return ProgressEvent(OperationStatus.SUCCESS, resource_model=model)

    resource.SecretsManagerRotationScheduleProvider.create = schedule
    resource.SecretsManagerRotationScheduleProvider.update = schedule


def forget_empty_layers():
    """A layer without versions makes ListLayers fail."""
    from localstack.services.lambda_ import provider

    delete_version = provider.LambdaProvider.delete_layer_version

    @wraps(delete_version)
    def delete_version_and_layer(self, context, layer_name, version_number, **kwargs):
        delete_version(self, context, layer_name, version_number, **kwargs)
        region, account, name, _ = provider.LambdaProvider._resolve_layer(layer_name, context)
        layers = provider.lambda_stores[account][region].layers
        if name in layers and not layers[name].layer_versions:
            del layers[name]

    provider.LambdaProvider.delete_layer_version = delete_version_and_layer
