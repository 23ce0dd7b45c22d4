"""The runtime's conformance checklist: what authors of workflows and plugins may rely on, and the tests that hold it.

Each line is a promise of the workflow runtime, with the tests that would fail if it were broken. A test that is renamed
or removed has to be replaced here, so that no promise is left without one.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]

FILES = {
    "api": "unit/workflows_sdk/test_workflow_api.py",
    "graphs": "unit/workflows_sdk/test_workflow_graphs.py",
    "ends": "unit/workflows_sdk/test_task_ends.py",
    "runs": "unit/workflows_sdk/test_workflow_runs.py",
    "stored": "unit/workflows_sdk/test_stored_graphs.py",
    "builtin": "unit/workflows_sdk/test_builtin_workflows.py",
    "engine": "unit/graph/test_engine.py",
    "parameters": "unit/dsl_stages/test_workflow_parameters.py",
    "context": "unit/sdk_operation/test_operation_context.py",
    "properties": "unit/sdk_operation/test_runtime_properties.py",
    "scripts": "unit/sdk_operation/test_scripts.py",
    "command": "unit/sdk_operation/test_ctx_command.py",
    "authors": "integration/test_author_workflows.py",
    "worker": "integration/test_worker.py",
    "runners": "integration/test_runners.py",
    "crash": "integration/test_crash.py",
    "hostile": "integration/test_hostile_workflows.py",
    "reference": "integration/test_workflow_oracle.py",
    "rest": "rest/test_executions.py",
    "operations": "rest/test_executions_graphs.py",
    "inputs": "rest/test_stored_inputs.py",
    "nodes": "rest/test_nodes.py",
    "deployments": "rest/test_deployments.py",
    "updates": "rest/test_deployments_update.py",
    "events": "rest/test_events.py",
    "configuration": "rest/test_configuration.py",
    "cfy": "acceptance/test_cfy_executions.py",
}
"""Short name → file below `tests/`."""

CHECKLIST: dict[int, tuple[str, str]] = {
    # --- the authors' API and its contexts
    1: (
        "every promised name can be imported, also in a plugin's own environment",
        """runners.test_every_name_of_the_contract_is_there_in_a_plugins_own_environment
        api.test_every_name_of_the_contract_can_be_imported""",
    ),
    2: (
        "decorators return the function; functions without one serve as well",
        """api.test_decorators_return_the_function_itself
        authors.test_logs_and_events_are_listed_with_their_type_and_their_instance""",
    ),
    3: (
        "collections of nodes, instances and relationships are iterators",
        "api.TestModel.test_collections_are_iterators api.TestModel.test_each_access_starts_over",
    ),
    4: (
        "an unknown id gives None",
        """api.TestModel.test_unknown_ids_give_none
        authors.test_the_model_of_a_deployment_is_the_plan_s_and_stays_as_loaded_until_it_is_refreshed""",
    ),
    5: (
        "a type hierarchy begins with the base type",
        """authors.test_the_model_of_a_deployment_is_the_plan_s_and_stays_as_loaded_until_it_is_refreshed
        api.TestModel.test_plan_data_of_a_node""",
    ),
    6: (
        "an operation that is declared and not mapped does not count",
        """api.TestModel.test_an_operation_counts_only_when_it_is_mapped
        authors.test_the_model_of_a_deployment_is_the_plan_s_and_stays_as_loaded_until_it_is_refreshed""",
    ),
    7: (
        "instances are compared and hashed by id",
        """api.TestModel.test_instances_are_equal_by_id_across_refreshes
        authors.test_the_model_of_a_deployment_is_the_plan_s_and_stays_as_loaded_until_it_is_refreshed""",
    ),
    8: (
        "an instance stays as it was loaded until a refresh",
        """api.TestModel.test_what_was_loaded_stays_until_a_refresh
        authors.test_the_model_of_a_deployment_is_the_plan_s_and_stays_as_loaded_until_it_is_refreshed""",
    ),
    9: (
        "an instance updated through the context is updated in storage and in memory",
        """api.TestModel.test_update_node_instance_writes_storage_and_the_cached_instance
        authors.test_the_model_of_a_deployment_is_the_plan_s_and_stays_as_loaded_until_it_is_refreshed""",
    ),
    10: (
        "a contained subgraph holds the instance itself and only what is contained",
        """api.TestModel.test_the_contained_subgraph_has_the_instance_itself_and_only_what_is_contained
        authors.test_the_model_of_a_deployment_is_the_plan_s_and_stays_as_loaded_until_it_is_refreshed""",
    ),
    11: (
        "a relationship is derived from every type of its hierarchy",
        """api.TestModel.test_is_derived_from_looks_at_the_type_hierarchy
        authors.test_the_model_of_a_deployment_is_the_plan_s_and_stays_as_loaded_until_it_is_refreshed""",
    ),
    12: (
        "a proxy outside of a context raises; a context belongs to its thread",
        """api.TestContexts.test_outside_a_context_any_access_raises
        api.TestContexts.test_a_context_belongs_to_its_thread
        context.test_outside_a_context_a_proxy_raises_not_in_context
        context.test_a_context_is_current_in_its_thread_alone""",
    ),
    13: (
        "parameters are read as items and as attributes",
        """api.TestContexts.test_parameters_give_items_and_attributes_and_miss_with_key_error
        runners.test_ctx_comes_as_a_keyword_and_in_the_parameters
        authors.test_an_operation_finds_its_inputs_its_place_and_its_resources""",
    ),
    14: (
        "the context is passed as the keyword ctx",
        """runs.TestEndings.test_a_function_without_ctx_fails_clearly
        runners.test_ctx_comes_as_a_keyword_and_in_the_parameters""",
    ),
    15: (
        "there is one graph for a context, and none after tasks have run outside of it",
        """api.TestGraphMode.test_it_is_one_graph_per_context
        api.TestGraphMode.test_it_is_refused_after_tasks_ran_and_allowed_after_they_were_fetched""",
    ),
    16: (
        "an operation that is not mapped succeeds and tells nothing",
        """api.TestOperationCalls.test_what_is_not_mapped_is_a_nop_in_graph_mode_and_out_of_it
        api.TestOperationCalls.test_a_nop_tells_nothing_and_succeeds
        authors.test_logs_and_events_are_listed_with_their_type_and_their_instance""",
    ),
    17: (
        "an argument given twice is refused unless it may be overridden; new ones are added",
        """api.TestOperationCalls.test_a_key_given_twice_is_refused_unless_it_may_be_overridden
        api.TestOperationCalls.test_new_keys_merge_and_the_callers_dict_is_copied""",
    ),
    18: (
        "arguments and results cross to another process as JSON",
        """runners.test_inputs_and_results_cross_as_json
        runners.test_what_json_cannot_say_is_a_clear_non_recoverable_error
        authors.test_local_tasks_run_in_the_process_of_the_workflow_and_operations_in_another""",
    ),
    19: (
        "logs of the workflow, an instance and an operation are listed with their instance",
        "authors.test_logs_and_events_are_listed_with_their_type_and_their_instance",
    ),
    20: (
        "events of the workflow, an instance and an operation have their types",
        "authors.test_logs_and_events_are_listed_with_their_type_and_their_instance",
    ),
    21: (
        "an internal event is sent at once, in graph mode too",
        """api.TestTelling.test_internal_events_are_sent_at_once_in_graph_mode
        authors.test_logs_and_events_are_listed_with_their_type_and_their_instance""",
    ),
    # --- graphs
    22: (
        "a task starts when all it waits for is over",
        """engine.test_a_task_starts_when_the_last_of_what_it_waits_for_is_over
        graphs.test_many_small_tasks_on_all_threads_run_once_each_and_in_order""",
    ),
    23: (
        "what is ready runs side by side",
        "graphs.test_ready_tasks_run_side_by_side runners.test_operations_run_at_the_same_time_up_to_the_limit",
    ),
    24: (
        "sequences and forkjoins, empty ones too",
        "graphs.test_a_sequence_runs_item_by_item_and_an_empty_forkjoin_is_skipped",
    ),
    25: (
        "a dependency on a stranger is refused, one on itself ignored",
        "graphs.test_dependencies_on_strangers_are_refused",
    ),
    26: (
        "a removed task is waited for no more, and nothing is put in its place",
        """ends.test_what_waited_for_a_removed_task_does_not_wait_for_what_that_one_waited_for
        engine.test_a_removed_task_holds_nothing_up_and_its_end_goes_unobserved""",
    ),
    27: (
        "an empty graph is over at once; a graph can be executed again",
        "graphs.test_an_empty_graph_returns_and_a_graph_runs_again",
    ),
    28: (
        "the tasks of a subgraph start after what the subgraph waits for",
        """graphs.TestSubgraphs.test_they_come_after_what_they_wait_for_and_before_what_waits_for_them
        engine.TestSubgraphs.test_members_start_after_what_the_subgraph_waits_for""",
    ),
    29: (
        "what waits for a subgraph starts after all of its tasks",
        """graphs.TestSubgraphs.test_they_come_after_what_they_wait_for_and_before_what_waits_for_them
        engine.TestSubgraphs.test_dependents_start_after_all_members""",
    ),
    30: (
        "subgraphs nest; a task is in one of them",
        """graphs.TestSubgraphs.test_nested_ones_work_and_pass_failures_on
        graphs.TestSubgraphs.test_one_task_in_two_of_them_is_refused
        engine.TestSubgraphs.test_a_nested_failure_settles_the_outer_one_in_turn
        reference.test_runs_as_in_the_reference""",
    ),
    31: (
        "an empty subgraph succeeds at once",
        "graphs.TestSubgraphs.test_an_empty_one_succeeds_without_having_started",
    ),
    32: (
        "starts and ends of subgraphs are told",
        """graphs.TestSubgraphs.test_they_come_after_what_they_wait_for_and_before_what_waits_for_them
        graphs.TestSubgraphs.test_a_failed_one_fails_the_graph_by_default_and_drops_its_rest
        stored.test_every_state_is_stored_and_told_of_operations_and_subgraphs_alone""",
    ),
    33: (
        "what waits for a failure never runs, not after the loss of a worker either",
        """graphs.test_a_failure_stops_what_depends_on_it_and_nothing_else
        stored.TestAfterALoss.test_what_waits_for_a_failure_never_runs_and_the_failure_is_the_workflow_s
        crash.test_what_had_failed_before_the_loss_of_the_worker_is_a_failure_after_it""",
    ),
    34: (
        "what does not wait for a failure goes on",
        """graphs.test_a_failure_stops_what_depends_on_it_and_nothing_else
        engine.test_independent_branches_finish_after_a_failure""",
    ),
    35: (
        "the failure is raised so many seconds after the first error at the latest",
        """engine.test_the_run_ends_some_time_after_the_first_failure_even_if_tasks_run
        graphs.test_the_failure_is_raised_when_the_patience_after_it_is_over
        authors.test_patience_after_a_failure_ends_and_what_still_runs_is_left_alone""",
    ),
    36: (
        "what runs then is left alone, and nothing more starts",
        """authors.test_patience_after_a_failure_ends_and_what_still_runs_is_left_alone
        graphs.test_what_still_runs_when_a_graph_is_given_up_starts_nothing_when_it_ends""",
    ),
    37: (
        "the text of one failure names its place, that of several their number",
        """authors.test_a_task_that_fails_for_good_is_told_with_its_retries_its_causes_and_its_place
        graphs.test_the_text_of_one_failure_and_of_several""",
    ),
    38: (
        "handlers of success and failure are asked and obeyed",
        """graphs.TestHandlers.test_ignore_goes_on_without_retries graphs.TestHandlers.test_fail_fails_without_retries
        graphs.TestHandlers.test_retry_obeys_the_limit graphs.TestHandlers.test_success_can_be_answered_with_a_retry
        graphs.TestHandlers.test_a_handler_gets_the_task_with_its_exception""",
    ),
    39: (
        "a handler that raises fails the workflow",
        "graphs.TestHandlers.test_a_handler_that_raises_fails_the_workflow_with_that",
    ),
    40: (
        "a handler may go beyond the limit of retries",
        "graphs.TestHandlers.test_ignore_total_retries_goes_beyond_it",
    ),
    41: (
        "a subgraph's handler: fail by default, ignore drops the rest, retry needs a replacement",
        """graphs.TestSubgraphs.test_a_failed_one_fails_the_graph_by_default_and_drops_its_rest
        graphs.TestSubgraphs.test_ignoring_its_failure_lets_dependents_run
        graphs.TestSubgraphs.test_a_retry_without_a_replacement_is_an_error_of_the_author""",
    ),
    42: (
        "a subgraph is not retried beyond its limit",
        "graphs.TestSubgraphs.test_a_retry_needs_a_replacement_and_obeys_the_limit",
    ),
    43: (
        "the failed task of a subgraph is the first that failed",
        "ends.test_the_failed_task_of_a_subgraph_is_the_first_and_what_fails_after_it_is_nobody_s",
    ),
    # --- retries and errors
    44: (
        "n retries are n + 1 runs, counted from 0",
        """authors.test_a_task_that_fails_for_good_is_told_with_its_retries_its_causes_and_its_place
        runs.TestResults.test_an_operation_sees_how_often_it_is_retried""",
    ),
    45: (
        "an operation's own retries and interval win over the configuration",
        """ends.test_retries_of_an_operation_s_declaration_win_over_the_configured_ones
        runs.TestResults.test_retries_of_the_operation_win_over_the_configuration""",
    ),
    46: (
        "without them the configured ones hold, and the operation sees them",
        """authors.test_an_operation_without_retries_of_its_own_has_those_of_the_configuration
        configuration.test_defaults_are_the_contracts""",
    ),
    47: (
        "what is not recoverable is not retried, anything else is",
        """graphs.TestTasks.test_what_is_not_recoverable_is_not_retried
        graphs.TestTasks.test_retries_are_counted_and_marked_in_events
        runners.test_an_error_arrives_with_kind_type_text_and_delay""",
    ),
    48: (
        "an error may set the delay of the retry; none is at once",
        """ends.TestDelays.test_a_failure_waits_for_the_interval_and_one_with_a_delay_for_that
        ends.TestDelays.test_no_delay_is_at_once ends.TestDelays.test_a_handler_may_set_another_delay
        engine.test_a_delayed_retry_starts_at_its_time_and_keeps_the_run_alive""",
    ),
    49: (
        "an operation that asks for a retry is rescheduled within its limit, and no handler is asked",
        """authors.test_an_operation_that_asks_for_a_retry_is_rescheduled_as_often_as_it_may
        graphs.TestHandlers.test_a_handler_is_not_asked_about_a_reschedule""",
    ),
    50: (
        "an exception wins over a retry that was asked for before it",
        """runners.test_an_exception_after_a_retry_request_wins
        runs.TestResults.test_an_exception_wins_over_a_retry_asked_for_before_it""",
    ),
    51: (
        "events of retries carry their number",
        """graphs.TestTasks.test_retries_are_counted_and_marked_in_events
        graphs.TestTasks.test_without_a_limit_the_suffix_has_none
        authors.test_a_task_that_fails_for_good_is_told_with_its_retries_its_causes_and_its_place""",
    ),
    52: (
        "the event of a success carries the result",
        """runs.test_operations_run_in_the_order_the_graph_gives_and_their_results_are_told
        authors.test_a_resume_after_an_update_runs_operations_with_the_inputs_of_the_update""",
    ),
    53: (
        "causes carry type, text and traceback of what was raised",
        """authors.test_a_task_that_fails_for_good_is_told_with_its_retries_its_causes_and_its_place
        runners.test_a_traceback_shows_the_authors_frames_alone""",
    ),
    54: (
        "a time-out ends the process, and is recoverable only if declared so",
        """authors.test_what_cannot_get_better_is_not_tried_again authors.test_a_timeout_that_may_pass_is_tried_again
        runners.test_a_timeout_ends_the_process runners.test_a_timeout_does_not_spare_who_ignores_sigterm
        runners.test_a_timeout_ends_the_script_too""",
    ),
    55: (
        "an operation whose process dies fails without a retry",
        """authors.test_what_cannot_get_better_is_not_tried_again
        runners.test_a_death_fails_its_operation_with_the_contracts_text""",
    ),
    56: (
        "an unknown module or function is named",
        """authors.test_what_cannot_get_better_is_not_tried_again runners.test_an_unknown_module_is_named
        runners.test_an_error_arrives_with_kind_type_text_and_delay""",
    ),
    # --- standard workflows
    57: (
        "get() returns the result, retries, and raises the last exception",
        """runs.TestResults.test_it_returns_the_result_and_retries_inside
        runs.TestResults.test_it_raises_the_last_exception""",
    ),
    58: (
        "what nobody fetched is waited for and may fail the execution",
        "runs.TestResults.test_what_nobody_fetched_is_waited_for_and_may_fail_the_execution",
    ),
    59: ("get() does not retry when told so", "runs.TestResults.test_it_does_not_retry_when_told_so"),
    60: (
        "local tasks run in the workflow's process, with retries",
        """authors.test_local_tasks_run_in_the_process_of_the_workflow_and_operations_in_another
        runs.TestResults.test_local_tasks_run_here_with_retries""",
    ),
    # --- cancel
    61: (
        "a workflow sees the request to cancel",
        """worker.test_a_cancelled_workflow_that_heeds_it_ends_cancelled
        runs.TestCancellation.test_the_flags_and_their_callbacks""",
    ),
    62: (
        "raising or returning the cancellation ends cancelled, told once",
        """runs.TestCancellation.test_raising_or_returning_cancels_also_without_a_request
        worker.test_a_cancelled_workflow_that_heeds_it_ends_cancelled""",
    ),
    63: (
        "get() and the final wait are left by a cancel",
        """ends.test_get_is_left_by_a_cancel_before_it_waits_and_while_it_waits
        ends.test_a_delayed_retry_of_a_standard_workflow_is_left_by_a_cancel
        runs.TestCancellation.test_the_final_wait_reacts""",
    ),
    64: (
        "a graph is left by a cancel, and there may be a clean-up",
        "runs.TestCancellation.test_a_graph_ends_without_waiting_and_what_follows_does_not_start",
    ),
    65: (
        "operations that run at the cancel end; those after them do not start",
        """authors.test_a_cancel_leaves_a_running_operation_alone_and_starts_nothing_after_it
        runs.TestCancellation.test_a_retry_that_waits_for_its_time_is_not_started_after_a_cancel""",
    ),
    66: (
        "a forced cancel does not wait for the workflow",
        "worker.test_what_does_not_heed_a_cancel_is_cancelled_by_force_or_killed",
    ),
    67: (
        "a kill ends the processes of the workflow and of its operations",
        "hostile.test_a_kill_ends_what_does_not_listen hostile.test_an_operation_without_end_is_ended_by_a_kill",
    ),
    68: (
        "what has ended can only be killed; what waits can be cancelled",
        """rest.test_what_has_ended_cannot_be_cancelled_but_killed
        rest.test_what_no_process_has_shows_the_cancel_and_is_cancelled_at_once
        rest.test_a_running_execution_stays_cancelling_until_its_process_ends""",
    ),
    69: ("an error of the graph beats the cancel", "runs.TestCancellation.test_recorded_errors_beat_the_cancel"),
    # --- resume
    70: (
        "a resume runs again what failed, with all its retries, and not what succeeded",
        """authors.test_a_resume_runs_what_had_failed_and_handlers_are_what_they_were
        stored.test_what_succeeded_does_not_run_again_and_what_failed_does
        stored.test_the_retry_budget_is_fresh_after_a_resume
        operations.test_resuming_resets_what_had_failed_with_a_fresh_budget
        operations.test_an_operation_whose_retry_is_stored_is_not_reset""",
    ),
    71: (
        "a workflow that is not resumable fails on a resume",
        """authors.test_a_workflow_that_is_not_resumable_fails_before_it_starts
        stored.test_a_workflow_that_is_not_resumable_fails_without_a_start""",
    ),
    72: (
        "a resumed workflow knows it, and its first event says so",
        "authors.test_a_resume_runs_what_had_failed_and_handlers_are_what_they_were",
    ),
    73: (
        "graphs of an execution are kept apart by name",
        """stored.test_graphs_of_an_execution_are_kept_apart_by_name
        operations.test_a_graphs_name_is_unique_within_its_execution""",
    ),
    74: (
        "a result that came after the cancel is used by the resume",
        """worker.test_an_operation_that_runs_at_the_cancel_ends_and_its_result_is_used_by_the_resume
        authors.test_a_cancel_leaves_a_running_operation_alone_and_starts_nothing_after_it""",
    ),
    75: (
        "a forced resume runs again what had begun, a plain one does not",
        """worker.test_a_force_resume_runs_the_operation_again_without_waiting_for_it
        stored.test_force_resume_sends_started_operations_again_and_plain_resume_does_not""",
    ),
    76: (
        "handlers that can be imported are what they were after a resume",
        """authors.test_a_resume_runs_what_had_failed_and_handlers_are_what_they_were
        stored.test_importable_handlers_work_after_a_resume
        stored.test_a_lambda_as_a_handler_is_refused_when_the_graph_is_stored""",
    ),
    77: (
        "a resume goes through pending and started to an end of its own",
        """authors.test_a_resume_runs_what_had_failed_and_handlers_are_what_they_were
        rest.test_resuming_makes_it_pending_again_whatever_waits""",
    ),
    78: ("only what can be resumed is resumed", "rest.test_only_what_can_be_resumed_is_resumed"),
    79: (
        "a resumed install undoes what was interrupted before it does it again",
        """builtin.TestResumedInstall.test_it_undoes_what_was_interrupted
        builtin.TestResumedInstall.test_failures_of_the_undoing_are_ignored
        builtin.TestResumedInstall.test_instances_that_were_done_are_left_alone""",
    ),
    # --- parameters and executions
    80: (
        "defaults are filled in as a whole, and stored",
        """authors.test_parameters_are_bound_stored_and_passed
        parameters.test_defaults_fill_in_whole_values_and_null_is_one""",
    ),
    81: (
        "missing, undeclared and wrong parameters are refused before anything runs",
        "rest.test_parameters_that_do_not_fit_are_refused_before_anything_runs",
    ),
    82: (
        "custom parameters reach the function if they are allowed",
        """authors.test_parameters_are_bound_stored_and_passed
        parameters.test_undeclared_names_are_refused_together_unless_custom_ones_are_allowed""",
    ),
    83: (
        "texts are converted to the declared types",
        """authors.test_parameters_are_bound_stored_and_passed
        parameters.test_values_are_converted_to_their_declared_types
        parameters.test_list_items_are_converted_one_by_one""",
    ),
    84: (
        "intrinsic functions in defaults and values are evaluated",
        """authors.test_parameters_are_bound_stored_and_passed
        parameters.test_calls_are_evaluated_before_types_are_looked_at""",
    ),
    85: (
        "what is not required may be absent",
        """authors.test_parameters_are_bound_stored_and_passed
        parameters.test_missing_ones_are_named_together_and_optional_ones_are_not_passed""",
    ),
    86: ("an unknown workflow is refused", "rest.test_a_refused_start_says_why_and_leaves_no_row"),
    87: (
        "a workflow runs only where it is available, but for force",
        """rest.test_an_unavailable_workflow_is_refused_and_kept_as_failed_but_for_force
        parameters.test_each_rule_of_active_instances_holds_exactly_where_it_should
        parameters.test_a_type_may_be_required parameters.test_a_workflow_may_be_switched_off""",
    ),
    88: (
        "a busy deployment refuses a second execution, queues it, or is forced",
        """rest.test_a_busy_deployment_refuses_queues_or_is_forced
        rest.test_the_queue_of_a_deployment_moves_one_by_one_when_executions_end
        worker.test_a_queued_execution_starts_within_a_second_of_the_end_of_the_other""",
    ),
    89: (
        "times, error and counts of operations are kept",
        """rest.test_status_changes_leave_their_times_and_their_error worker.test_stored_operations_are_counted
        operations.test_only_what_counts_is_counted_and_once
        authors.test_a_resume_runs_what_had_failed_and_handlers_are_what_they_were""",
    ),
    90: ("an end is left only by a resume", "rest.test_a_status_changes_only_as_the_table_says"),
    91: (
        "a dry run tells everything and does nothing",
        """authors.test_a_dry_run_tells_everything_and_stores_nothing
        runs.TestDryRun.test_operations_are_told_and_not_run_and_states_stay""",
    ),
    92: (
        "the error of an execution: a traceback of the author's code, or the text of the task's failure",
        """authors.test_what_an_author_raises_is_a_traceback_of_the_code_of_the_author
        authors.test_a_task_that_fails_for_good_is_told_with_its_retries_its_causes_and_its_place
        runs.TestEndings.test_a_failed_task_s_error_is_its_text_alone""",
    ),
    # --- built-in workflows
    93: (
        "the steps, events and states of an install, in their order",
        """builtin.TestOneInstance.test_an_install_goes_step_by_step_through_the_states
        builtin.TestOneInstance.test_steps_that_are_not_mapped_say_so_and_set_no_state
        reference.test_runs_as_in_the_reference""",
    ),
    94: (
        "an instance waits until its targets are started",
        "builtin.TestOrderOfInstances.test_an_instance_waits_until_its_targets_are_started_and_goes_before_them",
    ),
    95: (
        "relationship operations: declared order, unlink the opposite one, both sides at once",
        """builtin.TestRelationshipOperations.test_they_follow_the_declared_order_and_unlink_the_opposite_one
        builtin.TestRelationshipOperations.test_source_and_target_run_side_by_side""",
    ),
    96: (
        "an instance without anything to run says so",
        "builtin.TestOneInstance.test_an_instance_without_anything_to_run_is_started_at_once",
    ),
    97: (
        "a failure leaves the state it happened in",
        "builtin.TestOrderOfInstances.test_a_failure_leaves_the_state_it_happened_in_and_stops_what_waits",
    ),
    98: (
        "a new install goes on from the stored state",
        "builtin.TestOneInstance.test_a_new_install_goes_on_from_the_stored_state",
    ),
    99: (
        "an install of a part renews the links of what stays",
        "builtin.TestRelationshipOperations.test_an_install_of_a_part_renews_the_links_of_what_stays",
    ),
    100: (
        "an uninstall goes the other way round and ends deleted",
        """builtin.TestOneInstance.test_an_uninstall_goes_step_by_step_and_ends_deleted
        builtin.TestOrderOfInstances.test_an_instance_waits_until_its_targets_are_started_and_goes_before_them""",
    ),
    101: (
        "what is not there is uninstalled without an operation",
        "builtin.TestOneInstance.test_what_is_not_there_is_uninstalled_without_an_operation",
    ),
    102: (
        "ignored failures are not retried and stop nothing",
        "builtin.TestOrderOfInstances.test_ignored_failures_are_told_are_not_retried_and_stop_nothing",
    ),
    103: (
        "a failed uninstall keeps its instance's state and does not touch its targets",
        "builtin.TestOrderOfInstances"
        ".test_a_failed_uninstall_keeps_its_instance_as_it_was_and_does_not_touch_its_targets",
    ),
    104: (
        "filters narrow each other down; order passes through what is not selected",
        """builtin.TestOperationsOfInstances.test_filters_narrow_each_other_down
        builtin.TestOperationsOfInstances.test_order_passes_through_what_is_not_selected""",
    ),
    105: (
        "start, stop and restart change no state; a restart stops all first",
        "builtin.TestOperationsOfInstances"
        ".test_stop_and_start_change_no_state_and_a_restart_stops_all_before_it_starts_any",
    ),
    106: (
        "heal checks, heals and reinstalls, unless it may not",
        """builtin.TestHeal.test_a_healthy_deployment_is_left_alone
        builtin.TestHeal.test_what_can_be_healed_is_healed_and_counts_as_healthy
        builtin.TestHeal.test_what_could_not_be_healed_is_reinstalled
        builtin.TestHeal.test_reinstalling_can_be_forbidden reference.test_runs_as_in_the_reference""",
    ),
    107: (
        "the result of a check is stored, and a bad one fails",
        """builtin.TestChecks.test_a_check_s_result_is_stored_beside_the_one_before
        builtin.TestChecks.test_drift_is_stored_by_instance_and_relationship""",
    ),
    108: (
        "scaling out installs and establishes, scaling in unlinks and uninstalls",
        """builtin.TestScale.test_out_installs_the_new_and_establishes_the_related
        builtin.TestScale.test_in_unlinks_and_uninstalls""",
    ),
    109: (
        "a failed scale out is rolled back, or stays started if it is not to be",
        """builtin.TestScale.test_a_failed_scale_out_rolls_back_model_and_instances
        builtin.TestScale.test_without_rollback_the_modification_stays_started""",
    ),
    110: ("a started modification can be cleaned up", "builtin.TestScale.test_abort_started_cleans_it_up"),
    111: (
        "a group is scaled by whole instances of it",
        "builtin.TestScale.test_a_group_is_scaled_by_whole_instances_of_it",
    ),
    112: (
        "a rollback brings what was interrupted back to rest",
        """builtin.TestRollback.test_it_undoes_what_was_begun
        builtin.TestRollback.test_what_is_at_rest_is_left_alone_unless_everything_is_to_go""",
    ),
    113: (
        "a failed lifecycle is run again as often as configured",
        """builtin.test_subgraph_retries_run_a_failed_lifecycle_again_so_often
        builtin.test_dependents_wait_for_the_lifecycle_that_is_run_again
        stored.TestAfterALoss.test_a_retried_lifecycle_is_found_whole_or_not_at_all_whenever_the_loss_comes""",
    ),
    114: (
        "a host is asked until it answers, and needs no agent unless it wants one",
        """builtin.test_a_host_is_asked_until_it_answers_whatever_the_limit_of_retries
        builtin.test_hosts_without_an_agent_need_none_and_others_are_refused""",
    ),
    # --- operations
    115: (
        "runtime properties are kept, also of an operation that failed",
        """authors.test_runtime_properties_are_kept_also_of_an_operation_that_failed
        runners.test_runtime_properties_are_saved_at_the_end_also_after_a_failure""",
    ),
    116: (
        "changes of the first level are noticed, others on request",
        """properties.test_a_change_of_the_first_level_is_noticed
        properties.test_a_nested_change_and_setdefault_are_not_noticed
        properties.test_the_dirty_flag_saves_a_nested_change""",
    ),
    117: (
        "saving, refreshing and merging; of two writers one meets a conflict",
        """authors.test_of_two_writers_one_merges_and_one_that_does_not_is_refused
        properties.test_update_saves_and_the_next_access_loads_anew
        properties.test_on_conflict_is_called_until_it_succeeds
        properties.test_refresh_keeps_unsaved_changes_unless_forced
        nodes.test_of_two_writers_with_the_same_version_one_meets_a_conflict""",
    ),
    118: (
        "a relationship operation writes both sides, other peers are read only",
        """authors.test_a_relationship_operation_writes_both_sides
        authors.test_an_operation_finds_its_inputs_its_place_and_its_resources
        context.test_peers_can_be_read_and_not_written""",
    ),
    119: ("properties of nodes are read only", "context.test_node_properties_cannot_be_written"),
    120: (
        "intrinsic functions in inputs see what is there when the operation runs",
        """authors.test_an_operation_finds_its_inputs_its_place_and_its_resources
        runners.test_intrinsic_functions_in_inputs_see_the_state_of_now""",
    ),
    121: (
        "the wrong half of a context is refused in plain words",
        """context.test_a_node_operation_has_no_source_and_target
        context.test_a_relationship_operation_has_no_node_and_instance
        context.test_without_a_node_the_context_is_the_deployments""",
    ),
    122: (
        "address, capabilities, index, plugin and ids are there",
        """authors.test_an_operation_finds_its_inputs_its_place_and_its_resources
        context.test_identity_comes_from_the_mapping
        context.test_host_ip_is_the_hosts_runtime_property_or_its_nodes_property
        context.test_capabilities_collect_the_targets_properties context.test_index_groups_and_drift_are_there""",
    ),
    123: (
        "resources: bytes, rendered, to a path, a clear refusal of what is not there",
        """authors.test_an_operation_finds_its_inputs_its_place_and_its_resources
        context.test_a_resource_is_bytes_a_file_or_rendered context.test_a_missing_resource_is_a_404""",
    ),
    124: (
        "operations and workflows reach the API without credentials",
        """authors.test_an_operation_finds_its_inputs_its_place_and_its_resources
        authors.test_the_model_of_a_deployment_is_the_plan_s_and_stays_as_loaded_until_it_is_refreshed""",
    ),
    125: (
        "scripts: environment, the ctx command, output as logs, exit codes, abort, retry, result",
        """scripts.test_inputs_and_process_env_are_environment_variables
        scripts.test_the_ctx_command_reads_and_writes scripts.test_output_lines_become_logs_around_the_process_lines
        scripts.test_a_non_zero_exit_is_a_recoverable_failure_with_its_output
        scripts.test_abort_is_non_recoverable_and_the_exit_code_is_ignored scripts.test_retry_marks_the_operation
        scripts.test_the_result_is_what_was_returned command.test_errors_go_to_stderr_with_exit_code_1
        runners.test_scripts_run_in_a_runner""",
    ),
    126: (
        "Python scripts are evaluated with context and parameters",
        """scripts.test_python_scripts_are_evaluated_here_as_main
        scripts.test_python_scripts_abort_retry_and_fail""",
    ),
    127: ("the options of a script's process", "scripts.test_args_cwd_and_prefix_shape_the_command"),
    128: (
        "a script is a workflow",
        """authors.test_a_script_is_a_workflow
        scripts.test_script_workflows_are_evaluated_with_the_workflow_context""",
    ),
    # --- modifications and deployments
    129: (
        "one modification is started at a time",
        """authors.test_a_modification_shows_what_changes_and_stands_when_it_is_finished_or_is_gone
        nodes.test_scaling_out_shows_at_once_and_stands_when_finished""",
    ),
    130: (
        "a modification shows at once, stands when finished, and is gone when rolled back",
        """authors.test_a_modification_shows_what_changes_and_stands_when_it_is_finished_or_is_gone
        nodes.test_scaling_out_shows_at_once_and_stands_when_finished
        nodes.test_scaling_in_removes_when_finished nodes.test_a_rollback_puts_everything_back""",
    ),
    131: (
        "related instances are seen with the changed relationships alone",
        "authors.test_a_modification_shows_what_changes_and_stands_when_it_is_finished_or_is_gone",
    ),
    132: (
        "a creation applies labels, name, groups and schedules, and refuses wrong inputs",
        """deployments.test_a_created_deployment_has_its_plan_evaluated
        deployments.test_default_schedules_are_made_and_a_wrong_one_fails_the_creation
        deployments.test_what_is_refused_in_the_request_stores_nothing""",
    ),
    133: (
        "nothing starts before the creation ended well",
        """rest.test_nothing_starts_before_the_environment_is_there
        deployments.test_a_failed_creation_answers_with_the_last_line_and_can_be_repeated""",
    ),
    134: (
        "live instances keep a deployment but for force; a deletion leaves nothing",
        """deployments.test_live_instances_keep_a_deployment_but_for_force
        deployments.test_deletion_removes_everything_under_the_deployment""",
    ),
    135: (
        "an update: removed, changed, added; schedules follow; labels stay",
        """builtin.TestUpdateOfInstances.test_the_workflow_update_is_told_the_instances_by_its_parameters
        builtin.TestUpdateOfInstances.test_what_goes_is_uninstalled_before_what_comes_is_installed
        updates.test_default_schedules_follow_an_update updates.test_an_update_brings_the_model_to_the_new_plan""",
    ),
    136: (
        "a resume after an update runs operations with the new inputs",
        """authors.test_a_resume_after_an_update_runs_operations_with_the_inputs_of_the_update
        inputs.test_an_update_rewrites_what_has_not_succeeded""",
    ),
    # --- events
    137: (
        "every record has its fields, in the order of time",
        """events.test_an_event_and_a_log_have_every_key_that_clients_read
        events.test_pages_keep_one_order_in_both_directions_from_either_end
        authors.test_logs_and_events_are_listed_with_their_type_and_their_instance""",
    ),
    138: (
        "lines of events: time, deployment, place and text",
        "cfy.test_events_and_logs_are_lines_of_time_deployment_place_and_text",
    ),
    139: (
        "an end is told once for each run",
        """authors.test_a_resume_runs_what_had_failed_and_handlers_are_what_they_were
        runs.TestEndings.test_success_is_told_once_with_the_start_before_it
        hostile.test_output_threads_and_copies_do_not_hold_up_or_double_the_end""",
    ),
    140: (
        "what is not mapped tells nothing, and a built-in task only its failure",
        """ends.test_a_built_in_task_is_told_only_when_it_fails
        api.TestOperationCalls.test_a_nop_tells_nothing_and_succeeds
        stored.test_every_state_is_stored_and_told_of_operations_and_subgraphs_alone""",
    ),
}
"""Number → what is promised, and the tests that hold it as `file.test` or `file.Class.test`."""

NUMBER_OF_LINES = 140


@cache
def functions_in(file: str) -> dict[str, ast.FunctionDef]:
    """Return the functions of a file by name, those of a class with the class's name before."""
    found: dict[str, ast.FunctionDef] = {}
    for node in ast.parse((TESTS / file).read_text()).body:
        if isinstance(node, ast.FunctionDef):
            found[node.name] = node
        elif isinstance(node, ast.ClassDef):
            found.update({f"{node.name}.{each.name}": each for each in node.body if isinstance(each, ast.FunctionDef)})
    return found


def asserts(function: ast.FunctionDef) -> bool:
    """Tell whether a test can fail by itself: it asserts, or expects an error."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Attribute) and node.attr == "raises":
            return True
    return False


def test_no_line_is_left_out() -> None:
    assert sorted(CHECKLIST) == list(range(1, NUMBER_OF_LINES + 1))
    assert len({wording for wording, _ in CHECKLIST.values()}) == NUMBER_OF_LINES


def test_every_file_holds_something() -> None:
    used = {held.partition(".")[0] for _, tests in CHECKLIST.values() for held in tests.split()}
    assert used == set(FILES)


@pytest.mark.parametrize("number", CHECKLIST)
def test_every_line_is_held_by_tests_that_are_there_and_can_fail(number: int) -> None:
    wording, held = CHECKLIST[number]
    assert held.split(), f"nothing holds {number}: {wording}"
    for name in held.split():
        file, _, test = name.partition(".")
        function = functions_in(FILES[file]).get(test)
        assert function is not None, f"{number} ({wording}) is held by {test}, which is not in tests/{FILES[file]}"
        assert test.rpartition(".")[2].startswith("test_"), f"{test} is no test"
        assert asserts(function), f"{test} asserts nothing"
        marks = [ast.unparse(mark) for mark in function.decorator_list]
        assert not any(".skip" in mark or ".xfail" in mark for mark in marks), f"{test} is not run"
