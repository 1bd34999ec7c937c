"""Changes a stack as CloudFormation does: what is to be kept is kept, and what fails is taken back."""

from localstack.aws.api.cloudformation import ChangeAction, ChangeSetType, ResourceStatus, StackStatus
from localstack.services.cloudformation.engine.v2.change_set_model_executor import (
    ChangeSetModelExecutor,
    ChangeSetModelExecutorResult,
    TriggerRollback,
)
from localstack.services.cloudformation.resource_provider import OperationStatus, ProgressEvent
from localstack.services.cloudformation.v2.entities import ChangeSet

FAILED = {ResourceStatus.CREATE_FAILED, ResourceStatus.UPDATE_FAILED}
KEEPING = {"Retain", "RetainExceptOnCreate"}
#: Of a stack that has none: it is being made, or was.
EMPTY: dict = {"Resources": {}}


class StackExecutor(ChangeSetModelExecutor):
    """LocalStack's, which deletes all that goes and leaves a failed change half done."""

    #: Policies under which a resource outlives its place in the template.
    keeping = KEEPING

    def execute(self) -> ChangeSetModelExecutorResult:
        if self._change_set.stack.status == StackStatus.DELETE_IN_PROGRESS:
            return super().execute()
        try:
            self.process()
        except Exception as error:
            reason = error.reason if isinstance(error, TriggerRollback) else str(error)
            return self._roll_back(reason or "")
        return self._clean_up()

    def _clean_up(self) -> ChangeSetModelExecutorResult:
        """What goes, goes after all else is done."""
        if self._deferred_actions:
            self._change_set.stack.set_stack_status(StackStatus.UPDATE_COMPLETE_CLEANUP_IN_PROGRESS)
        for deferred in reversed(self._deferred_actions):
            deferred.action()
        return ChangeSetModelExecutorResult(resources=self.resources, outputs=self.outputs)

    def _execute_resource_action(self, action, logical_resource_id, *args, part_of_replacement=False, **kwargs):
        if action == ChangeAction.Remove and self._is_kept(logical_resource_id, part_of_replacement):
            return ProgressEvent(OperationStatus.SUCCESS, resource_model={})
        return super()._execute_resource_action(
            action, logical_resource_id, *args, part_of_replacement=part_of_replacement, **kwargs
        )

    def _is_kept(self, logical_id: str, is_replaced: bool) -> bool:
        template = self._change_set.stack.template or EMPTY
        resource = template["Resources"].get(logical_id, {})
        return resource.get("UpdateReplacePolicy" if is_replaced else "DeletionPolicy") in self.keeping

    @property
    def _is_update(self) -> bool:
        return self._change_set.change_set_type == ChangeSetType.UPDATE

    def _process_event(self, *, event_status, **kwargs):
        super()._process_event(event_status=event_status, **kwargs)
        if event_status == OperationStatus.FAILED:  # for the stack, LocalStack takes that for the end
            self._announce(StackStatus.UPDATE_ROLLBACK_IN_PROGRESS, StackStatus.ROLLBACK_IN_PROGRESS)

    def _announce(self, of_update: StackStatus, of_creation: StackStatus) -> None:
        self._change_set.stack.set_stack_status(of_update if self._is_update else of_creation)

    def _roll_back(self, reason: str) -> ChangeSetModelExecutorResult:
        """Changes the stack from what stands by now to what stood before."""
        change_set, stack = self._change_set, self._change_set.stack
        former = {
            "template": stack.template or EMPTY,
            "processed_template": stack.processed_template or EMPTY,
            "template_body": stack.template_body or "",
            "resolved_parameters": stack.resolved_parameters,
        }
        self._announce(StackStatus.UPDATE_ROLLBACK_IN_PROGRESS, StackStatus.ROLLBACK_IN_PROGRESS)
        stack.status_reason = reason
        stack.template = self._template_by_now(former["template"])
        stack.resolved_resources = self._resources_by_now()
        undo = UndoExecutor(self._change_back(former))
        try:
            undo.process()
            resources = undo._clean_up().resources
            self._announce(StackStatus.UPDATE_ROLLBACK_COMPLETE, StackStatus.ROLLBACK_COMPLETE)
        except Exception as error:
            resources = {**stack.resolved_resources, **undo.resources}
            stack.status_reason = f"{reason}; and the rollback: {getattr(error, 'reason', None) or error}"
            self._announce(StackStatus.UPDATE_ROLLBACK_FAILED, StackStatus.ROLLBACK_FAILED)
        for name, value in former.items():  # the caller takes the stack's new state from here
            setattr(change_set, name, value)
        return ChangeSetModelExecutorResult(resources=resources, outputs=stack.resolved_outputs, failure_message=reason)

    def _touched(self) -> dict:
        """What was made or changed, or should have been."""
        before = self._before_resolved_resources
        return {name: resource for name, resource in self.resources.items() if resource is not before.get(name)}

    def _resources_by_now(self) -> dict:
        made = {name: made for name, made in self._touched().items() if made.get("ResourceStatus") not in FAILED}
        return {**self._before_resolved_resources, **made}

    def _template_by_now(self, former: dict) -> dict:
        touched, existing = self._touched(), self._resources_by_now()
        resources = {name: resource for name, resource in former["Resources"].items() if name not in touched}
        for name, resource in (self._change_set.template or EMPTY)["Resources"].items():
            if name in touched and name in existing:
                resources[name] = resource
        return {**(self._change_set.template or EMPTY), "Resources": resources, "Outputs": {}}

    def _change_back(self, former: dict) -> ChangeSet:
        from localstack.services.cloudformation.v2.provider import CloudformationProviderV2

        stack = self._change_set.stack
        request = {"ChangeSetName": f"rollback-{self._change_set.change_set_name}"}
        back = ChangeSet(stack, request, template_body=former["template_body"], template=former["template"])
        given = {name: parameter.get("given_value") for name, parameter in (former["resolved_parameters"] or {}).items()}
        CloudformationProviderV2._setup_change_set_model(
            change_set=back,
            before_template=stack.template,
            after_template=former["template"],
            before_parameters=self._change_set.resolved_parameters,
            after_parameters=given,
        )
        return back


class UndoExecutor(StackExecutor):
    """Takes back: what this very change has made is deleted under ``RetainExceptOnCreate``."""

    keeping = {"Retain"}

    def _process_event(self, *, event_status, **kwargs):
        ChangeSetModelExecutor._process_event(self, event_status=event_status, **kwargs)

    def _clean_up(self) -> ChangeSetModelExecutorResult:
        for deferred in reversed(self._deferred_actions):
            deferred.action()
        return ChangeSetModelExecutorResult(resources=self.resources, outputs=self.outputs)
