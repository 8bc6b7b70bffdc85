using Bursar.Core.Decisions;
using Bursar.Core.Money;
using Bursar.Tests.TestKit;
using static Bursar.Tests.TestKit.Given;

namespace Bursar.Tests.Unit.Core.Decisions;

/// <summary>Decisions of a budget about workloads that another budget suspended.</summary>
public sealed class SuspendedByOtherTests
{
    private static WorkloadSnapshot SuspendedElsewhere(string name, double hours, int minutes = 1) =>
        Job(name, hours).Waiting() with
        {
            OtherBudgets = "budget other",
            NoPodSince = Now.AddMinutes(-minutes),
        };

    [Fact]
    public void Job_that_fits_keeps_its_reservation_and_names_the_other_budget()
    {
        var decision = BudgetDecider.Decide(Budget(10m, SuspendedElsewhere("shared", 2)));

        decision.Actions.Should().BeEmpty();
        decision.Reserved.Should().Be(Money(6.12m));
        decision
            .Workloads.Single()
            .Should()
            .Match<WorkloadVerdict>(w =>
                w.Reason == Reasons.SuspendedByOtherBudget
                && w.OtherBudgets == "budget other"
                && w.Sentence.Contains("budget other")
                && w.Sentence.Contains("Budget nlp")
                && w.Sentence.Contains("6.12 USD")
            );
    }

    [Fact]
    public void Job_that_fits_neither_budget_is_suspended_by_both()
    {
        var decision = BudgetDecider.Decide(Budget(1m, SuspendedElsewhere("shared", 2)) with { BreakerAllowance = 0 });

        var action = decision.Actions.Should().ContainSingle().Subject;
        action.Should().Match<BudgetAction>(a => a.Kind == ActionKind.Suspend && a.IsSuspendedByOtherBudget && !a.CountsForBreaker);
        decision.Conditions.Should().NotContain(c => c.Type == "BreakerOpen");
    }

    [Fact]
    public void Exhausted_budget_suspends_a_job_that_another_suspended() =>
        BudgetDecider
            .Decide(Budget(1m, SuspendedElsewhere("shared", 0.1)) with { Spent = Money(1m) })
            .SuspendedNames()
            .Should()
            .Equal("shared");

    [Fact]
    public void Settle_time_does_not_spare_a_job_that_another_budget_suspended() =>
        BudgetDecider
            .Decide(Budget(Terms(1m) with { Settle = TimeSpan.FromMinutes(1) }, SuspendedElsewhere("shared", 2)) with { Memory = new() })
            .SuspendedNames()
            .Should()
            .Equal("shared");

    [Fact]
    public void Reservation_is_released_after_ten_minutes_and_then_both_suspend()
    {
        var lent = BudgetDecider.Decide(Budget(10m, SuspendedElsewhere("shared", 2, minutes: 11)));
        lent.Reserved.Should().Be(Amount.Zero);
        lent.Actions.Should().BeEmpty("it would still fit");
        lent.Workloads.Single().Sentence.Should().Contain("ten minutes");

        var taken = BudgetDecider.Decide(Budget(10m, SuspendedElsewhere("shared", 2, minutes: 11), Job("other", 2)));
        taken.SuspendedNames().Should().Equal(["shared"], "the other budget would resume it and this one suspend it at once");
    }

    [Fact]
    public void Budget_resumes_its_part_and_names_the_budget_that_still_suspends()
    {
        var suspended = Job("shared", 2).Suspended(limit: 1m) with { OtherBudgets = "budget other" };
        var waits = BudgetDecider.Decide(Budget(1m, suspended));
        waits.Workloads.Single().Sentence.Should().Contain("budget other");

        var action = BudgetDecider.Decide(Budget(20m, suspended)).Actions.Should().ContainSingle().Subject;
        action.Kind.Should().Be(ActionKind.Resume);
        action.Sentence.Should().ContainAll("Budget nlp resumes it", "the budget was raised", "together with budget other");
    }

    [Fact]
    public void Budget_that_covers_a_job_waits_for_the_others_and_announces_it_once()
    {
        var suspended = Job("shared", 2).Suspended(limit: 1m) with { OtherBudgets = "budget other", NotCoveredBy = "budget other" };

        var first = BudgetDecider.Decide(Budget(20m, suspended));
        first.Actions.Should().BeEmpty();
        first.ReasonOf("shared").Should().Be(Reasons.SuspendedByOtherBudget);
        first.DoesNotCover().Should().BeEmpty("it waits for the other budget only");
        first.Reserved.Should().Be(Amount.Zero);
        var announced = first.Announcements.Should().ContainSingle(one => one.Reason == Reasons.SuspendedByOtherBudget).Subject;
        announced.Sentence.Should().ContainAll("Budget nlp would resume it", "it does not fit budget other yet", "6.12 USD");

        var second = BudgetDecider.Decide(Budget(20m, suspended) with { Memory = first.Memory });
        second.Announcements.Should().NotContain(one => one.Reason == Reasons.SuspendedByOtherBudget);
        BudgetDecider.Decide(Budget(1m, suspended)).DoesNotCover().Should().Equal("uid-shared");
    }

    /// <summary>Otherwise two budgets would keep their limits free for each other's jobs, and neither would run.</summary>
    [Fact]
    public void Job_that_another_budget_does_not_cover_reserves_nothing()
    {
        var blocked = Job("blocked", 3).Waiting() with { OtherBudgets = "budget other", NotCoveredBy = "budget other" };
        var decision = BudgetDecider.Decide(Budget(10m, blocked, Job("waits", 3).Suspended(limit: 1m)));
        decision.Actions.Should().Contain(action => action.Kind == ActionKind.Resume && action.Workload.Name == "waits");
        decision.Reserved.Should().Be(Amount.Zero);
    }

    [Fact]
    public void Job_that_another_budget_stops_is_neither_announced_nor_said_to_run()
    {
        var stopped = Job("stopped", 100, minutesOld: 60).Waiting() with { OtherBudgets = "budget other", NotCoveredBy = "budget other" };
        // The budget is new, so the forecast suspends none of the jobs that were there before it.
        var decision = BudgetDecider.Decide(Budget(20m, stopped, Serving("chat")) with { Memory = new() });
        decision.ReasonOf("stopped").Should().Be(Reasons.SuspendedByOtherBudget);
        decision.Announcements.SelectMany(one => one.About).Should().NotContain(key => key.Name == "stopped");
        decision.Announcements.Should().Contain(one => one.Reason == Reasons.AtRisk).Which.Sentence.Should().NotContain("Job/stopped");
    }

    /// <summary>Otherwise the other budget would resume the second job in the same instant, and one of them would be stopped again.</summary>
    [Fact]
    public void Budget_that_resumes_a_job_no_longer_covers_another_that_does_not_fit_beside_it()
    {
        var second = Job("second", 3).Waiting() with { OtherBudgets = "budget other", NotCoveredBy = "budget other" };
        var decision = BudgetDecider.Decide(Budget(12m, Job("first", 3).Suspended(limit: 1m), second));
        decision
            .Actions.Select(action => (action.Kind, action.Workload.Name))
            .Should()
            .BeEquivalentTo([(ActionKind.Resume, "first"), (ActionKind.Suspend, "second")]);
        decision.DoesNotCover().Should().Equal("uid-second");
    }

    /// <summary>A second budget does not choose a victim of its own while the first one's is being stopped.</summary>
    [Fact]
    public void Job_that_another_budget_is_about_to_suspend_counts_as_stopped()
    {
        var leaving = Job("leaving", 3) with { NotCoveredBy = "budget other" };
        var both = Budget(10m, leaving, Job("stays", 3)).Admitted(("leaving", 9.18m), ("stays", 9.18m));
        BudgetDecider.Decide(both).Actions.Should().BeEmpty();
        BudgetDecider
            .Decide(both with { Workloads = [.. both.Workloads.Select(one => one with { NotCoveredBy = null })] })
            .SuspendedNames()
            .Should()
            .HaveCount(1);
    }

    [Fact]
    public void Inference_scaled_to_zero_by_another_budget_reserves_nothing() =>
        BudgetDecider
            .Decide(Budget(10m, Serving("chat").Waiting() with { OtherBudgets = "budget other" }))
            .Reserved.Should()
            .Be(Amount.Zero);

    [Fact]
    public void Suspension_of_admitted_jobs_alone_counts_for_the_breaker()
    {
        var crowd = Enumerable.Range(0, 20).Select(i => Job($"new-{i:00}", 10, minutesOld: 0)).ToArray();
        BudgetDecider.Decide(Budget(32m, crowd) with { BreakerAllowance = 0 }).SuspendedNames().Should().HaveCount(19);

        var ran = Budget(32m, crowd) with { BreakerAllowance = 0 };
        BudgetDecider.Decide(ran.Admitted([.. crowd.Select(j => (j.Key.Name, 30.6m))])).Actions.Should().BeEmpty();
    }

    [Fact]
    public void Inference_scaled_up_by_a_user_is_suspended_again_while_pending()
    {
        // 0.01 is less than the stop cost of one GPU, so the workload fits only if that cost is ignored.
        var terms = Terms(0.01m) with { WhenExhausted = WhenExhausted.Zero };
        var undone = Serving("chat").Suspended(limit: 0.01m, reason: Reasons.BudgetExhausted) with { State = WorkloadState.Pending };

        var decision = BudgetDecider.Decide(Budget(terms, undone));
        decision.StaleRecords.Should().BeEmpty();
        decision.Actions.Single().Reason.Should().Be(Reasons.SuspendedAgain);

        BudgetDecider.Decide(Budget(terms with { Limit = Money(100m) }, undone)).StaleRecords.Should().Equal(undone.Key);
    }

    [Fact]
    public void Paused_forecast_keeps_the_records_of_reverted_suspensions()
    {
        var undone = Job("train", 1).Suspended(limit: 2m) with { State = WorkloadState.Running, BurnRate = V100 };
        BudgetDecider.Decide(Budget(100m, undone) with { MeteringStale = "node gpu-1 is lost" }).StaleRecords.Should().BeEmpty();
    }

    [Fact]
    public void Pause_and_resumption_of_a_forecast_are_announced_once_each()
    {
        var stale = Job("train", 1) with
        {
            Estimate = Bursar.Core.Forecast.Estimate.Unknown("its progress has not moved") with { Stale = true },
        };
        var first = BudgetDecider.Decide(Budget(100m, stale));
        first
            .Announcements.Should()
            .ContainSingle(a => a.Reason == Reasons.ForecastPaused && a.Sentence.Contains("Job/train") && a.Warning);
        var again = BudgetDecider.Decide(Budget(100m, stale).Later(TimeSpan.FromSeconds(5), first.Memory));
        again.Announcements.Should().NotContain(a => a.Reason == Reasons.ForecastPaused);
        var back = BudgetDecider.Decide(Budget(100m, Job("train", 1)).Later(TimeSpan.FromSeconds(10), again.Memory));
        back.Announcements.Should().ContainSingle(a => a.Reason == Reasons.ForecastResumed);
        BudgetDecider
            .Decide(Budget(100m).Later(TimeSpan.FromSeconds(10), again.Memory))
            .Announcements.Should()
            .NotContain(a => a.Reason == Reasons.ForecastResumed, "it has ended");
    }
}
