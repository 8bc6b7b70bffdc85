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

        // 100 steps of 90 ms are done; 29,900 are left.
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

        // 2.53 is needed now. The limit in the message is higher, so that it is still enough after the job has stopped.
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
    public void Unsettled_estimate_suspends_by_its_low_end_only()
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
    public void Job_may_finish_within_the_tolerance(int percent, bool suspends) =>
        BudgetDecider
            .Decide(Budget(Terms(5m) with { TolerancePercent = percent }, Job("train", 1.7)))
            .Actions.Should()
            .HaveCount(suspends ? 1 : 0);

    [Fact]
    public void Cost_before_the_window_ends_counts_and_the_rest_is_carried_over()
    {
        // 20 days and 12 hours are left of November.
        var decision = BudgetDecider.Decide(Budget(2_000m, Job("train", 24 * 25)));

        decision.Actions.Should().BeEmpty();
        decision.Projected.Should().Be(V100.For(TimeSpan.FromHours(24 * 20 + 12)));
        decision.CarriedOver.Should().Be(V100.For(TimeSpan.FromHours(24 * 4 + 12)));
    }

    [Fact]
    public void New_job_that_does_not_fit_waits_and_running_jobs_continue()
    {
        var decision = BudgetDecider.Decide(Budget(10m, Job("old", 2), Job("new", 2, priority: 1_000).Waiting()).Admitted(("old", 6.12m)));

        decision.SuspendedNames().Should().Equal("new");
        decision.ReasonOf("new").Should().Be(Reasons.DoesNotFit);
    }

    [Fact]
    public void Job_beyond_its_reservation_is_suspended_before_one_inside_it()
    {
        var budget = Budget(10m, Job("inside", 1, minutesOld: 1), Job("grown", 3, priority: 1_000, minutesOld: 60))
            .Admitted(("inside", 3.06m), ("grown", 6m));

        BudgetDecider.Decide(budget).SuspendedNames().Should().Equal("grown");
    }

    [Fact]
    public void Job_of_unknown_duration_is_suspended_before_one_that_grew()
    {
        var terms = Terms(3_000m) with { UnknownDuration = UnknownDuration.RunToWindowEnd };
        var budget = Budget(terms, Unknown("unknown"), Job("grown", 24 * 22)).Admitted(("unknown", 1m), ("grown", 1m));

        BudgetDecider.Decide(budget).SuspendedNames().Should().Equal("unknown");
    }

    [Theory]
    [InlineData(0, false)] // equal priority grew: not its bill
    [InlineData(-5, false)]
    [InlineData(5, true)] // higher priority may grow at its cost
    public void Job_inside_its_reservation_is_suspended_for_higher_priority_only(int priorityOfGrown, bool suspends)
    {
        var grown = Job("grown", 3, priority: priorityOfGrown) with { Exempt = true };
        var budget = Budget(10m, Job("inside", 1), grown).Admitted(("inside", 3.06m), ("grown", 6m));

        BudgetDecider.Decide(budget).SuspendedNames().Should().Equal(suspends ? ["inside"] : []);
    }

    [Fact]
    public void Equal_victims_are_ordered_by_priority_then_by_age()
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
    public void Victim_that_is_not_needed_is_removed_from_the_list()
    {
        // The small job comes first by age, but suspending the large one after it is enough.
        var budget = Budget(10m, Job("small", 0.1, minutesOld: 1), Job("large", 4, minutesOld: 50), Job("high", 0.5, priority: 9))
            .Admitted(("small", 0.4m), ("large", 13m), ("high", 2m));

        BudgetDecider.Decide(budget).SuspendedNames().Should().Equal("large");
    }

    [Fact]
    public void Job_whose_remaining_time_is_shorter_than_its_stop_is_left_to_finish() =>
        BudgetDecider
            .Decide(Budget(4m, Job("almost", 0.01, spent: 2), Job("other", 1)).Admitted(("almost", 1m), ("other", 3.06m)))
            .SuspendedNames()
            .Should()
            .Equal("other");

    [Fact]
    public void Suspension_saves_less_by_its_stop_cost()
    {
        // Suspending "a" alone would free 3.06 less 0.034 for its stop: not quite enough.
        var budget = Budget(6.14m, Job("a", 1, minutesOld: 1), Job("b", 1, minutesOld: 2), Job("c", 1, minutesOld: 3))
            .Admitted(("a", 3.06m), ("b", 3.06m), ("c", 3.06m));

        BudgetDecider.Decide(budget).SuspendedNames().Should().BeEquivalentTo("a", "b");
    }

    [Fact]
    public void New_budget_gives_running_jobs_its_settle_time_and_announces_it()
    {
        var budget = Budget(Terms(2m) with { Settle = TimeSpan.FromSeconds(60) }, Job("train", 1)) with { Memory = new() };

        var first = BudgetDecider.Decide(budget);
        first.Actions.Should().BeEmpty();
        first.ReasonOf("train").Should().Be(Reasons.Settling);
        first.Announcements.Should().Contain(a => a.Reason == Reasons.WillSuspend && a.About.Any(key => key.Name == "train"));
        first.Memory.Admitted.Should().BeEmpty("what does not fit is not admitted");
        first.Announcements.Should().NotContain(one => one.Reason == Reasons.AtRisk, "WillSuspend names the time of its suspension");

        BudgetDecider.Decide(budget.Later(TimeSpan.FromSeconds(59), first.Memory)).Actions.Should().BeEmpty();
        BudgetDecider.Decide(budget.Later(TimeSpan.FromSeconds(60), first.Memory)).SuspendedNames().Should().Equal("train");
    }

    [Fact]
    public void Lowered_limit_starts_the_settle_time_and_an_expired_top_up_does_not()
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
    public void Job_with_stale_progress_is_suspended_by_the_limit_only()
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
    public void Job_of_unknown_duration_follows_the_policy_of_its_budget(UnknownDuration policy, bool suspends)
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
    public void Job_without_a_pod_for_ten_minutes_releases_its_reservation()
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
    public void Minimum_replicas_are_reserved_unless_the_budget_scales_to_zero()
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
    public void Minimum_replicas_over_the_limit_suspend_new_jobs_only()
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
    public void Exempt_and_foreign_workloads_are_counted_and_never_suspended()
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
    public void Open_circuit_breaker_stops_forecasts_but_not_the_limit()
    {
        var jobs = Enumerable.Range(0, 6).Select(i => Job($"job-{i}", 10)).ToArray();
        var braked = BudgetDecider.Decide(Budget(1m, jobs) with { BreakerAllowance = 2 });
        braked.Actions.Should().HaveCount(2);
        braked.Condition("BreakerOpen").Status.Should().BeTrue();
        braked.Workloads.Count(w => w.Reason == Reasons.BreakerOpen).Should().Be(4);

        BudgetDecider.Decide(Budget(1m, jobs) with { BreakerAllowance = 0, Spent = Money(1m) }).Actions.Should().HaveCount(6);
    }

    [Fact]
    public void Rolling_window_tests_its_largest_sum_and_not_the_sum_of_everything()
    {
        // 60 of the day's window leave it in an hour; a job that needs 10 more hours spends 30.60 meanwhile.
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

        // A snapshot without times of spending assumes that nothing leaves the window.
        BudgetDecider.Decide(budget with { RollingSpend = [] }).SuspendedNames().Should().Equal("train");
    }
}
