"""What LocalStack's CloudFormation leaves out: resources that are kept, stacks that are rolled back, and protected ones."""

from functools import wraps

from localstack.runtime import hooks


@hooks.on_infra_start()
def mend_stacks():
    from localstack.services.cloudformation.v2 import provider

    from concord_localstack.stack_executor import StackExecutor

    provider.ChangeSetModelExecutor = StackExecutor
    protect_stacks(provider)
    describe_without_secrets(provider.ChangeSetModelDescriber)


def describe_without_secrets(describer):
    """A change set is described before secrets are read: what is missing shows when the resource is changed."""
    resolve = describer._maybe_perform_dynamic_replacements

    def resolve_if_there(self, delta):
        try:
            return resolve(self, delta)
        except Exception:
            return delta

    describer._maybe_perform_dynamic_replacements = resolve_if_there


def protect_stacks(provider):
    """Termination protection is stored and told, but not heeded."""
    delete_stack = provider.CloudformationProviderV2.delete_stack

    @wraps(delete_stack)
    def delete_unprotected(self, context, stack_name, *args, **kwargs):
        store = provider.get_cloudformation_store(context.account_id, context.region)
        stack = provider.find_stack_v2(store, stack_name)
        if stack is not None and stack.is_active() and stack.enable_termination_protection:
            raise provider.ValidationError(
                f"Stack [{stack.stack_name}] cannot be deleted while TerminationProtection is enabled"
            )
        return delete_stack(self, context, stack_name, *args, **kwargs)

    provider.CloudformationProviderV2.delete_stack = delete_unprotected
