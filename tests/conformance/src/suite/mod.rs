//! One suite, run on every backend.

mod claims;
mod components;
mod controls;
mod durability;
mod erasing;
mod events;
mod lists;
mod logs;
mod retention;
mod transitions;

/// Makes each behaviour a test on each backend. A behaviour that is left out is never used, which the
/// compiler says.
macro_rules! on_every_backend {
    ($($module:ident: $($behaviour:ident)*;)*) => {
        mod memory {
            $(mod $module { $(
                #[tokio::test]
                async fn $behaviour() {
                    crate::suite::$module::$behaviour::<crate::backend::Memory>().await;
                }
            )* })*
        }
        mod sled {
            $(mod $module { $(
                #[tokio::test]
                async fn $behaviour() {
                    crate::suite::$module::$behaviour::<crate::backend::Sled>().await;
                }
            )* })*
        }
    };
}

on_every_backend! {
    events:
        an_event_starts_one_run_of_every_matching_workflow
        a_repeated_delivery_is_taken_in_once
        the_same_id_with_another_body_is_a_conflict
        a_body_without_digest_is_told_apart_by_its_data
        events_without_a_senders_id_are_always_new
        the_same_event_again_is_a_duplicate
        of_a_hundred_parallel_deliveries_one_is_created
        deliveries_are_known_after_a_restart
        deliveries_are_forgotten_after_their_window
        a_retired_plugin_starts_nothing
        a_workflow_that_two_plugins_declare_starts_one_run
        plugins_that_stand_together_change_together
        large_payloads_come_back_whole;
    erasing:
        what_is_about_a_person_comes_back_whole
        all_about_an_erased_person_is_gone_and_nothing_else
        whoever_works_on_an_erased_run_finds_none_where_they_write
        a_delivery_of_an_erased_person_starts_nothing_again_and_a_new_one_does
        runs_that_have_outlived_their_events_are_erased_too;
    claims:
        runs_are_claimed_in_due_order_and_never_early
        a_claimed_run_is_not_claimed_again
        what_is_given_back_is_due_again
        a_claim_that_nobody_waits_for_is_given_back
        runs_that_come_beside_a_look_at_the_queues_are_not_missed
        claims_have_a_maximum
        a_new_lease_takes_everything_over
        an_old_lease_is_fenced_everywhere
        each_lease_has_a_greater_epoch
        queues_tell_their_earliest_unclaimed_run
        a_queue_whose_runs_are_all_claimed_has_no_time
        due_order_is_the_same_after_a_restart
        thousands_of_due_runs_are_each_claimed_once
        a_run_not_to_start_before_a_time_waits_for_it;
    transitions:
        a_transition_moves_the_run
        a_run_in_hand_is_not_due
        a_late_worker_cannot_overwrite
        nobody_changes_a_run_that_is_not_in_hand
        another_revision_is_a_conflict
        a_settled_entry_is_never_changed
        an_open_entry_is_replaced
        nothing_of_a_refused_change_is_applied
        an_ended_run_is_never_due
        large_entries_come_back_whole
        a_run_that_has_ended_has_its_whole_journal
        a_run_that_is_changed_once_it_has_ended_keeps_its_journal
        claimed_runs_come_with_event_and_journal;
    controls:
        a_wish_makes_a_parked_run_due_at_once
        a_paused_run_is_due_only_once_it_is_resumed
        what_the_status_does_not_allow_is_refused
        no_wish_is_for_a_run_that_is_not_there
        nothing_overrides_a_cancel
        a_wish_that_comes_while_a_run_is_in_hand_stays_on_it
        a_wish_that_was_taken_up_is_gone
        a_wake_ends_the_pause_that_it_met_and_no_later_one
        a_wish_is_no_conflict_for_the_worker
        a_run_that_has_ended_has_no_wish;
    lists:
        runs_are_listed_newest_first_in_pages
        runs_are_filtered
        events_are_listed_and_filtered
        an_id_that_is_not_there_is_none
        counts_follow_every_change
        the_registry_is_kept
        components_are_kept;
    logs:
        what_a_run_logs_is_kept_in_its_order
        nothing_that_goes_with_a_refused_change_is_kept
        a_log_is_read_once_it_is_durable
        a_log_goes_with_its_run
        a_log_goes_with_its_person;
    components:
        runs_that_need_a_component_are_counted_as_they_come_and_end
        a_component_goes_once_nothing_needs_it_and_no_sooner
        an_end_that_is_not_durable_yet_frees_nothing
        a_component_that_is_lost_is_told_with_the_runs_that_need_it;
    durability:
        reads_see_durable_state_only
        a_verdict_comes_before_it_is_durable
        a_refusal_waits_for_what_it_is_about
        many_submits_share_a_sync
        what_nobody_waits_for_goes_with_what_somebody_does
        everything_durable_is_there_after_a_restart
        a_closed_store_says_so
        what_is_submitted_before_a_close_is_kept;
    retention:
        a_run_goes_after_the_time_of_its_status_and_no_sooner
        an_event_goes_when_its_last_run_has_been_over_for_its_time
        events_are_kept_by_their_name
        nothing_that_has_not_ended_or_is_in_hand_is_touched
        a_run_that_ends_late_takes_its_event_along
        an_event_outlives_its_runs_by_its_own_time
        large_rows_go_whole
        a_slice_is_bounded_and_the_rest_follows_after_a_crash
        what_is_pruned_is_seen_only_once_it_is_durable
        a_delivery_is_known_beyond_its_event
        another_retention_is_followed
        an_event_that_came_with_a_clock_behind_goes_too
        nothing_is_late_by_more_than_it_may_be
        a_worker_of_a_run_that_is_gone_is_told;
}
