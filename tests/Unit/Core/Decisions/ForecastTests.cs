using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Tests.TestKit;
using static Bursar.Tests.TestKit.Given;

namespace Bursar.Tests.Unit.Core.Decisions;

public sealed class ForecastTests
{
    [Fact]
    public void Founding_example_a_job_that_declared_20_minutes_is_caught_by_its_progress()
    {
        var job = Job("train", 0) with
        {
            Estimate = new(TimeSpan.FromMinutes(20), TimeSpan.FromMinutes(20), TimeSpan.FromMinutes(25), EstimateSource.Declared, true),
        };
        var budget = Budget(2m, job);
        var first = BudgetDecider.Decide(budget);
        first.Actions.Should().BeEmpty("1.02 fits 2");
        first.Memory.Admitted["uid-train"].Reserved.Should().Be(Money(1.02m));

        // 100 steps at 90 ms are made; 29,900 are left.
        var spent = V100.For(TimeSpan.FromSeconds(9));
        var slow = job with
        {
            Spent = spent,
            Estimate = Settled(TimeSpan.FromSeconds(2_691)),
            EstimateAfterResume = Settled(TimeSpan.FromSeconds(2_700)),
        };
        var second = BudgetDecider.Decide((budget with { Workloads = [slow], Spent = spent }).Later(TimeSpan.FromSeconds(9), first.Memory));

        second.Projected.ToString().Should().Be("2.295000");
        var suspend = second.Actions.Should().ContainSingle().Subject;
        suspend.Should().Match<BudgetAction>(a => a.Kind == ActionKind.Suspend && a.Reason == Reasons.ProjectedOverBudget && a.ByForecast);
        suspend
            .Sentence.Should()
            .ContainAll("2.30 USD", "0.008 so far", "44 min 51 s left", "3.06 USD/h", "1.99 of 2.00 USD", "2026-11", "2.62 USD");
        second.State.Should().Be(Reasons.ProjectedOver);

        // 2.53 is needed at this moment; the limit that is named stays enough while the job is stopped.
        var suspended = slow with
        {
            State = WorkloadState.SuspendedByBudget,
            BurnRate = HourlyCost.Zero,
            Estimate = Settled(TimeSpan.FromSeconds(2_700)),
            Suspension = suspend.Suspension! with { Confirmed = true },
        };
        BudgetDecider
            .Decide((budget with { Workloads = [suspended], Spent = spent }).Later(TimeSpan.FromSeconds(20), second.Memory))
            .State.Should()
            .Be(Reasons.WorkloadsSuspended);
        foreach (var (limit, back) in new[] { (2.52m, false), (2.53m, true), (2.62m, true), (5m, true) })
        {
            var raised = budget with { Terms = Terms(limit), Workloads = [suspended], Spent = spent };
            var decision = BudgetDecider.Decide(raised.Later(TimeSpan.FromMinutes(5), second.Memory));
            decision.ResumedNames().Should().Equal(back ? ["train"] : []);
            if (back)
                decision.Actions[0].Reason.Should().Be(Reasons.BudgetRaised);
        }
    }

    [Fact]
    public void Before_the_estimate_is_settled_only_its_low_end_suspends()
    {
        var likely = Job("train", 0) with { Estimate = Unsettled(TimeSpan.FromHours(1), TimeSpan.FromHours(100)) };
        BudgetDecider.Decide(Budget(5m, likely)).Actions.Should().BeEmpty();

        var certain = Job("train", 0) with { Estimate = Unsettled(TimeSpan.FromHours(2), TimeSpan.FromHours(100)) };
        BudgetDecider.Decide(Budget(5m, certain)).SuspendedNames().Should().Equal("train");
    }

    [Fact]
    public void SuspendWhen_Certain_waits_until_the_low_end_overruns()
    {
        var job = Job("train", 0) with
        {
            Estimate = new(TimeSpan.FromHours(1.6), TimeSpan.FromHours(1.7), TimeSpan.FromHours(1.8), EstimateSource.Progress, true),
        };

        BudgetDecider.Decide(Budget(5m, job)).SuspendedNames().Should().Equal("train");
        BudgetDecider.Decide(Budget(Terms(5m) with { SuspendWhen = SuspendWhen.Certain }, job)).Actions.Should().BeEmpty();
    }

    [Theory]
    [InlineData(0, true)]
    [InlineData(3, true)]
    [InlineData(5, false)]
    public void A_job_may_finish_within_the_tolerance(int percent, bool suspends) =>
        BudgetDecider
            .Decide(Budget(Terms(5m) with { TolerancePercent = percent }, Job("train", 1.7)))
            .Actions.Should()
            .HaveCount(suspends ? 1 : 0);

    [Fact]
    public void Only_the_part_before_the_windows_end_counts_and_the_rest_is_carried_over()
    {
        // 20 days and 12 hours are left of November.
        var decision = BudgetDecider.Decide(Budget(2_000m, Job("train", 24 * 25)));

        decision.Actions.Should().BeEmpty();
        decision.Projected.Should().Be(V100.For(TimeSpan.FromHours(24 * 20 + 12)));
        decision.CarriedOver.Should().Be(V100.For(TimeSpan.FromHours(24 * 4 + 12)));
    }

    [Fact]
    public void A_new_job_that_does_not_fit_waits_and_what_runs_is_not_touched()
    {
        var decision = BudgetDecider.Decide(Budget(10m, Job("old", 2), Job("new", 2, priority: 1_000).Waiting()).Admitted(("old", 6.12m)));

        decision.SuspendedNames().Should().Equal("new");
        decision.ReasonOf("new").Should().Be(Reasons.DoesNotFit);
    }

    [Fact]
    public void What_grew_pays_before_what_is_inside_its_reservation()
    {
        var budget = Budget(10m, Job("inside", 1, minutesOld: 1), Job("grown", 3, priority: 1_000, minutesOld: 60))
            .Admitted(("inside", 3.06m), ("grown", 6m));

        BudgetDecider.Decide(budget).SuspendedNames().Should().Equal("grown");
    }

    [Fact]
    public void Work_of_unknown_length_pays_before_what_grew()
    {
        var terms = Terms(3_000m) with { UnknownDuration = UnknownDuration.RunToWindowEnd };
        var budget = Budget(terms, Unknown("unknown"), Job("grown", 24 * 22)).Admitted(("unknown", 1m), ("grown", 1m));

        BudgetDecider.Decide(budget).SuspendedNames().Should().Equal("unknown");
    }

    [Theory]
    [InlineData(0, false)] // equal priority grew: not its bill
    [InlineData(-5, false)]
    [InlineData(5, true)] // higher priority may grow at its cost
    public void Work_inside_its_reservation_pays_only_for_the_growth_of_higher_priority(int priorityOfGrown, bool suspends)
    {
        var grown = Job("grown", 3, priority: priorityOfGrown) with { Exempt = true };
        var budget = Budget(10m, Job("inside", 1), grown).Admitted(("inside", 3.06m), ("grown", 6m));

        BudgetDecider.Decide(budget).SuspendedNames().Should().Equal(suspends ? ["inside"] : []);
    }

    [Fact]
    public void Among_equals_the_lowest_priority_goes_first_and_then_the_youngest()
    {
        var limitFell = Budget(
                7m,
                Job("high", 1, priority: 9),
                Job("low", 1, priority: 1, minutesOld: 90),
                Job("young", 1, priority: 5, minutesOld: 1),
                Job("aged", 1, priority: 5, minutesOld: 80)
            )
            .Admitted(("high", 3.06m), ("low", 3.06m), ("young", 3.06m), ("aged", 3.06m));

        BudgetDecider.Decide(limitFell).SuspendedNames().Should().BeEquivalentTo("low", "young");
    }

    [Fact]
    public void A_victim_that_is_not_needed_is_struck_from_the_list()
    {
        // The small one comes first by age, the large one after it frees all alone.
        var budget = Budget(10m, Job("small", 0.1, minutesOld: 1), Job("large", 4, minutesOld: 50), Job("high", 0.5, priority: 9))
            .Admitted(("small", 0.4m), ("large", 13m), ("high", 2m));

        BudgetDecider.Decide(budget).SuspendedNames().Should().Equal("large");
    }

    [Fact]
    public void A_job_whose_remaining_time_is_shorter_than_its_stop_is_left_to_finish() =>
        BudgetDecider
            .Decide(Budget(4m, Job("almost", 0.01, spent: 2), Job("other", 1)).Admitted(("almost", 1m), ("other", 3.06m)))
            .SuspendedNames()
            .Should()
            .Equal("other");

    [Fact]
    public void A_stop_costs_and_what_it_costs_is_not_saved()
    {
        // Suspending "a" alone would free 3.06 less 0.034 for its stop: not quite enough.
        var budget = Budget(6.14m, Job("a", 1, minutesOld: 1), Job("b", 1, minutesOld: 2), Job("c", 1, minutesOld: 3))
            .Admitted(("a", 3.06m), ("b", 3.06m), ("c", 3.06m));

        BudgetDecider.Decide(budget).SuspendedNames().Should().BeEquivalentTo("a", "b");
    }

    [Fact]
    public void Work_that_was_running_when_the_budget_appeared_settles_first_and_an_event_tells()
    {
        var budget = Budget(Terms(2m) with { Settle = TimeSpan.FromSeconds(60) }, Job("train", 1)) with { Memory = new() };

        var first = BudgetDecider.Decide(budget);
        first.Actions.Should().BeEmpty();
        first.ReasonOf("train").Should().Be(Reasons.Settling);
        first.Announcements.Should().Contain(a => a.Reason == Reasons.WillSuspend && a.Sentence.Contains("first among train"));
        first.Memory.Admitted.Should().BeEmpty("what does not fit is not admitted");
        first.Announcements.Should().NotContain(one => one.Reason == Reasons.AtRisk, "WillSuspend names the time of its suspension");

        BudgetDecider.Decide(budget.Later(TimeSpan.FromSeconds(59), first.Memory)).Actions.Should().BeEmpty();
        BudgetDecider.Decide(budget.Later(TimeSpan.FromSeconds(60), first.Memory)).SuspendedNames().Should().Equal("train");
    }

    [Fact]
    public void A_limit_that_falls_starts_the_settle_time_and_a_top_up_that_ends_with_its_window_does_not()
    {
        var terms = Terms(20m) with { Settle = TimeSpan.FromSeconds(60), TopUps = [new(Money(10m), "2026-11", "deadline")] };
        var memory = BudgetDecider.Decide(Budget(terms, Job("train", 1))).Memory;

        BudgetDecider
            .Decide(Budget(terms with { TopUps = [] }, Job("train", 1)) with { Memory = memory })
            .Memory.SettleFrom.Should()
            .Be(Now);

        var december = Now.AddDays(21);
        var next = Budget(terms, Job("train", 1)) with { Memory = memory, Now = december, Window = Window.At(terms.Window, december) };
        BudgetDecider.Decide(next).Memory.SettleFrom.Should().BeNull();
    }

    [Fact]
    public void Forecasts_pause_while_metering_is_stale_and_admit_nothing()
    {
        var decision = BudgetDecider.Decide(Budget(2m, Job("train", 10)) with { MeteringStale = "node gpu-1 is lost" });

        decision.Actions.Should().BeEmpty();
        decision.ReasonOf("train").Should().Be(Reasons.ForecastPaused);
        decision.Memory.Admitted.Should().BeEmpty();
        decision.Condition("MeteringFresh").Status.Should().BeFalse();
    }

    [Fact]
    public void Stale_progress_is_not_held_against_a_job_but_the_limit_still_is()
    {
        var terms = Terms(10m) with { UnknownDuration = UnknownDuration.Hold };
        var hung = Unknown("hung") with { Estimate = Estimate.Unknown("its progress has not moved since 11:40:00Z") with { Stale = true } };

        BudgetDecider.Decide(Budget(terms, hung, Job("other", 4))).SuspendedNames().Should().Equal("other");
        BudgetDecider.Decide(Budget(terms, hung) with { Spent = Money(9.99m) }).SuspendedNames().Should().Equal("hung");
    }

    [Theory]
    [InlineData(UnknownDuration.UntilExhausted, false)]
    [InlineData(UnknownDuration.RunToWindowEnd, true)]
    [InlineData(UnknownDuration.Hold, true)]
    public void Work_of_unknown_length_as_the_budget_says(UnknownDuration policy, bool suspends)
    {
        var decision = BudgetDecider.Decide(Budget(Terms(100m) with { UnknownDuration = policy }, Unknown("train")));

        decision.Actions.Should().HaveCount(suspends ? 1 : 0);
        if (policy == UnknownDuration.UntilExhausted)
            decision.Reserved.Should().Be(V100.For(TimeSpan.FromSeconds(40)), "it reserves its stop cost");
    }

    [Fact]
    public void Contested_job_of_unknown_duration_is_not_admitted()
    {
        var terms = Terms(100m) with { UnknownDuration = UnknownDuration.Hold };
        var work = Unknown("train").Suspended(100m, Reasons.UnknownDuration) with { State = WorkloadState.Running, BurnRate = V100 };

        var again = BudgetDecider.Decide(Budget(terms, work));
        again.Actions.Should().ContainSingle(a => a.IsAgain && a.Reason == Reasons.UnknownDuration);

        work = work with { Suspension = work.Suspension! with { Reverted = [Now.AddMinutes(-3), Now.AddMinutes(-1)] } };
        var contested = BudgetDecider.Decide(Budget(terms, work));
        contested.ReasonOf("train").Should().Be(Reasons.Contested);
        contested.Memory.Admitted.Should().BeEmpty("Bursar suspends it again after five minutes");
    }

    [Fact]
    public void A_job_without_a_pod_for_ten_minutes_lends_its_reservation_and_takes_it_back_with_its_pod()
    {
        var waits = Job("waits", 2).Waiting() with { NoPodSince = Now.AddMinutes(-11) };
        var budget = Budget(8m, waits, Job("new", 2, minutesOld: 1)).Admitted(("waits", 6.12m));

        var lent = BudgetDecider.Decide(budget);
        lent.Actions.Should().BeEmpty();
        lent.ReasonOf("waits").Should().Be(Reasons.ReservationReleased);

        var back = budget with { Workloads = [Job("waits", 2), Job("new", 2, minutesOld: 1)] };
        BudgetDecider.Decide(back.Later(TimeSpan.FromSeconds(5), lent.Memory)).SuspendedNames().Should().Equal("new");
    }

    [Fact]
    public void A_floor_is_reserved_to_the_windows_end_and_with_Zero_nothing_is()
    {
        var floor = V100.For(TimeSpan.FromHours(24 * 20 + 12));
        var decision = BudgetDecider.Decide(Budget(1_600m, Serving("chat"), Job("train", 40)));
        decision.SuspendedNames().Should().Equal("train");
        decision.Unstoppable.UntilWindowEnd.Should().Be(floor);
        decision.Condition("FullyEnforceable").Status.Should().BeFalse();

        var zero = BudgetDecider.Decide(
            Budget(Terms(1_600m) with { WhenExhausted = WhenExhausted.Zero }, Serving("chat"), Job("train", 40))
        );
        zero.Actions.Should().BeEmpty();
        zero.Condition("FullyEnforceable").Status.Should().BeTrue();
    }

    [Fact]
    public void A_floor_that_alone_exceeds_the_limit_holds_new_jobs_and_leaves_running_ones_to_the_limit()
    {
        var running = Job("running", 5, minutesOld: 300);
        var decision = BudgetDecider.Decide(
            Budget(1_000m, Serving("chat"), running, Job("new", 1, minutesOld: 1)).Admitted(("running", 20m))
        );

        decision.SuspendedNames().Should().Equal("new");
        decision.ReasonOf("running").Should().Be(Reasons.MinimumReplicasExceedLimit);
        decision.Condition("MinimumReplicasExceedLimit").Message.Should().Contain("1505.52 USD");
        BudgetDecider
            .Decide(Budget(1_000m, Serving("chat"), running) with { Spent = Money(999.99m) })
            .SuspendedNames()
            .Should()
            .Equal("running");
    }

    [Fact]
    public void Exempt_and_foreign_work_is_counted_and_never_suspended()
    {
        var decision = BudgetDecider.Decide(
            Budget(
                1m,
                Job("exempt", 9) with
                {
                    Exempt = true,
                },
                Job("kueue", 9) with
                {
                    NotSuspendable = "managed by kueue.x-k8s.io",
                },
                Job("slow", 9) with
                {
                    TerminationGrace = TimeSpan.FromMinutes(16),
                },
                Job("theirs", 9) with
                {
                    State = WorkloadState.SuspendedByOther,
                    BurnRate = HourlyCost.Zero,
                }
            )
        );

        decision.Actions.Should().BeEmpty();
        decision.OverspendBound.Should().Be(Amount.Zero);
        decision.Unstoppable.Workloads.Should().Equal("Job/exempt", "Job/kueue", "Job/slow");
        decision
            .Workloads.Select(w => w.Reason)
            .Should()
            .Equal(Reasons.Exempt, Reasons.NotSuspendable, Reasons.Fits, Reasons.SuspendedByOther);
    }

    [Fact]
    public void The_brake_stops_forecasts_and_not_the_limit()
    {
        var jobs = Enumerable.Range(0, 6).Select(i => Job($"job-{i}", 10)).ToArray();
        var braked = BudgetDecider.Decide(Budget(1m, jobs) with { BreakerAllowance = 2 });
        braked.Actions.Should().HaveCount(2);
        braked.Condition("BreakerOpen").Status.Should().BeTrue();
        braked.Workloads.Count(w => w.Reason == Reasons.BreakerOpen).Should().Be(4);

        BudgetDecider.Decide(Budget(1m, jobs) with { BreakerAllowance = 0, Spent = Money(1m) }).Actions.Should().HaveCount(6);
    }

    [Fact]
    public void A_rolling_window_tests_its_largest_sum_and_not_the_sum_of_everything()
    {
        // A day's window holds 60 that leaves it in an hour; a job that needs 10 hours more spends 30.60 meanwhile.
        var terms = Terms(70m, WindowPeriod.Rolling) with { Window = new(WindowPeriod.Rolling, Length: TimeSpan.FromHours(24)) };
        var old = new SpendSegment(Now.AddHours(-24), Now.AddHours(-22), HourlyCost.FromDecimal(30m));
        var budget = Budget(terms, Job("train", 10)) with { Spent = Money(60m), RollingSpend = [old] };

        // As the job spends 3.06 an hour, the old stretch leaves with 30 an hour from now on.
        var fits = BudgetDecider.Decide(budget);
        fits.Actions.Should().BeEmpty();
        fits.Projected.Should().Be(Money(60m), "it never comes to more than it is now");

        // The same sum spent a minute ago stays for the whole day: 60 + 30.60 is over.
        var recent = budget with { RollingSpend = [new(Now.AddHours(-2), Now, HourlyCost.FromDecimal(30m))] };
        BudgetDecider.Decide(recent).SuspendedNames().Should().Equal("train");
        BudgetDecider.Decide(recent).Projected.Should().Be(Money(90.60m));

        // And a snapshot that does not say when it was spent hopes for nothing.
        BudgetDecider.Decide(budget with { RollingSpend = [] }).SuspendedNames().Should().Equal("train");
    }
}
