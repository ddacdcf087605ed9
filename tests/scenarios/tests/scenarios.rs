//! A test for every script, and an error for a script without a test.

use std::collections::BTreeSet;

macro_rules! scenarios {
    ($($name:ident)*) => {
        $(
            #[tokio::test]
            async fn $name() -> Result<(), stepwell_scenarios::Failure> {
                stepwell_scenarios::play(stringify!($name)).await
            }
        )*

        const TESTED: &[&str] = &[$(stringify!($name)),*];
    };
}

scenarios! {
    a_backup_of_a_running_host_is_that_host_again
    a_command_prints_data_alone
    a_command_says_what_went_wrong_by_its_exit_code
    a_component_is_sent_to_a_running_host
    a_component_is_tried_on_a_recorded_run
    a_component_that_was_lost_comes_back_and_its_run_goes_on
    a_connection_that_breaks_before_is_asked_again
    a_crash_within_a_step_repeats_it_under_its_key
    a_damaged_database_is_made_anew
    a_damaged_plugin_harms_no_other
    a_data_directory_of_format_2_that_was_closed_goes_on
    a_data_directory_of_format_2_whose_host_was_killed_goes_on
    a_data_directory_of_format_3_that_was_closed_goes_on
    a_data_directory_of_format_3_whose_host_was_killed_goes_on
    a_data_directory_of_format_4_that_was_closed_goes_on
    a_data_directory_of_format_4_whose_host_was_killed_goes_on
    a_data_directory_that_is_a_file_is_refused
    a_data_directory_that_is_read_only_is_refused
    a_database_that_cannot_be_made_anew_is_not_served
    a_declined_card_fails_the_trial_alone
    a_folder_that_others_may_write_to_is_refused
    a_frozen_host_goes_on
    a_full_disk_loses_nothing_that_was_accepted
    a_limit_of_two_is_two
    a_mail_that_is_refused_fails_its_run_at_once
    a_missing_plugin_folder_is_said
    a_new_component_serves_new_runs_only
    a_new_user_starts_three_runs
    a_number_beyond_all_bounds_is_shown_as_it_came
    a_person_ends_a_sleep
    a_person_ends_the_pause_before_an_attempt
    a_person_is_erased_from_everything
    a_port_in_use_is_said
    a_provider_that_is_down_delays_its_mail_alone
    a_removed_component_starts_no_more_runs
    a_repeated_delivery_starts_nothing
    a_run_is_cancelled_while_it_sleeps
    a_sample_is_about_whom_clerk_would_say
    a_secret_in_the_configuration_is_refused
    a_sleep_survives_a_crash
    a_sleep_that_ended_while_the_host_was_down_wakes_at_the_start
    a_source_that_could_verify_nothing_is_not_called_fine
    a_step_that_hangs_is_cut_off_by_its_timeout
    a_stop_is_quick_and_clean
    a_stop_lets_a_step_end
    a_stopped_host_is_checked_shrunk_and_backed_up
    a_welcome_mail_is_replaced_while_the_host_runs
    a_wrong_configuration_is_not_called_fine
    a_wrong_secret_is_refused_and_recorded
    an_emptied_database_is_not_taken_for_a_new_one
    an_emptied_folder_keeps_every_plugin_in_service
    an_id_with_another_body_is_a_conflict
    an_unknown_configuration_key_is_refused
    an_unknown_outcome_is_asked_again_under_the_same_key
    code_that_would_diverge_does_not_meet_old_runs
    of_two_plugins_that_declare_one_workflow_the_one_in_service_stays
    two_hosts_cannot_share_a_data_directory
    what_a_workflow_says_is_kept_with_its_run
    what_nobody_trusted_signed_stays_out_and_what_is_in_service_stays_in
    what_was_kept_long_enough_goes_and_a_sleeper_stays
}

#[test]
fn every_script_has_a_test() {
    let tested: BTreeSet<String> = TESTED.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(stepwell_scenarios::names().unwrap(), tested);
}
