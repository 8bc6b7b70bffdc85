using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Tests.TestKit;
using static Bursar.Tests.TestKit.Given;

namespace Bursar.Tests.Unit.Core.Decisions;

public sealed class ResumeTests
{
    [Theory]
    [InlineData(5, Reasons.BudgetRaised)]
    [InlineData(4, null)] // the same limit is no cause, though there is room
    public void Job_resumes_in_the_same_window_only_for_a_cause(int limit, string? cause)
    {
        var decision = BudgetDecider.Decide(Budget(limit, Job("train", 1).Suspended(limit: 4m)));

        decision.Actions.Select(a => a.Reason).Should().Equal(cause is null ? [] : [cause]);
        if (cause is null)
            decision.Workloads[0].Sentence.Should().ContainAll("since 2026-11-10 12:00 UTC", "at 2026-11-10 12:10 UTC");
    }

    [Fact]
    public void Ended_workload_is_a_resume_cause_once()
    {
        var before = Budget(8m, Job("runs", 1), Job("train", 1).Suspended(limit: 8m)).Admitted(("runs", 3.06m));
        var ended = BudgetDecider.Decide(before with { Workloads = [before.Workloads[1]] });

        ended.Actions.Should().ContainSingle(a => a.Kind == ActionKind.Resume && a.Reason == Reasons.BudgetAvailable);
        ended.Memory.Freed.Should().Be(1);

        // The job grows and is suspended again. The same cause does not resume it a second time.
        var grown = before with { Workloads = [Job("train", 100)], Memory = ended.Memory };
        var suspend = BudgetDecider.Decide(grown).Actions.Should().ContainSingle().Subject;
        var suspended = Job("train", 1) with
        {
            State = WorkloadState.SuspendedByBudget,
            BurnRate = HourlyCost.Zero,
            Suspension = suspend.Suspension! with { Confirmed = true },
        };
        BudgetDecider
            .Decide(before with { Workloads = [suspended], Memory = BudgetDecider.Decide(grown).Memory })
            .Actions.Should()
            .BeEmpty();
    }

    [Fact]
    public void Suspended_job_does_not_count_as_ended() =>
        BudgetDecider
            .Decide(Budget(8m, Job("a", 1).Suspended(8m), Job("b", 0.1).Suspended(8m)).Admitted(("a", 3m)))
            .Actions.Should()
            .BeEmpty();

    [Fact]
    public void Jobs_resume_one_at_a_time_by_priority_then_age()
    {
        var jobs = new[]
        {
            Job("young", 1, priority: 5, minutesOld: 20).Suspended(1m, minutesAgo: 19),
            Job("aged", 1, priority: 5, minutesOld: 90).Suspended(1m, minutesAgo: 3),
            Job("first", 1, priority: 9, minutesOld: 1).Suspended(1m, minutesAgo: 1),
        };
        List<string> order = [];
        var budget = Budget(100m, jobs);
        for (var i = 0; i < 3; i++)
        {
            var decision = BudgetDecider.Decide(budget);
            var name = decision.ResumedNames().Should().ContainSingle().Subject;
            order.Add(name);
            budget = budget.Later(TimeSpan.FromSeconds(5), decision.Memory) with
            {
                Workloads =
                [
                    .. budget.Workloads.Select(w =>
                        w.Key.Name == name ? w with { State = WorkloadState.Running, Suspension = null, BurnRate = V100 } : w
                    ),
                ],
            };
        }
        order.Should().Equal("first", "aged", "young");
    }

    /// <summary>gpu-budget-operator resumes in queue order, so one job that is too large blocks all jobs behind it.</summary>
    [Fact]
    public void Job_that_does_not_fit_does_not_block_the_jobs_behind_it()
    {
        var decision = BudgetDecider.Decide(
            Budget(
                5m,
                Job("never", 100, priority: 9).Suspended(1m),
                Job("large", 1.4, priority: 5).Suspended(1m),
                Job("small", 0.3).Suspended(1m)
            ) with
            {
                Spent = Money(2m),
            }
        );

        decision.ResumedNames().Should().Equal("small");
        decision.ReasonOf("never").Should().Be(Reasons.NeverFits);
        decision.ReasonOf("large").Should().Be(Reasons.WaitingForBudget);
    }

    [Fact]
    public void Resumed_job_fits_with_its_high_end_headroom_and_stop_cost()
    {
        // 1.03 h at 3.06 are 3.1518, with 5 % 3.30939, and 40 s of stop 0.034.
        var job = Job("train", 1).Suspended(1m);

        BudgetDecider.Decide(Budget(3.34m, job)).Actions.Should().BeEmpty();
        BudgetDecider.Decide(Budget(3.35m, job)).ResumedNames().Should().Equal("train");
        BudgetDecider.Decide(Budget(Terms(3.19m) with { HeadroomPercent = 0 }, job)).ResumedNames().Should().Equal("train");
    }

    [Fact]
    public void Resume_check_counts_likely_cost_of_running_and_stop_cost_of_ending_jobs()
    {
        var hoped = Job("runs", 0) with { Estimate = Unsettled(TimeSpan.Zero, TimeSpan.FromHours(1)) };
        BudgetDecider.Decide(Budget(5m, hoped, Job("train", 1).Suspended(1m))).Actions.Should().BeEmpty();

        var ending = Job("ending", 5).Suspended(1m) with { BurnRate = V100 };
        BudgetDecider.Decide(Budget(3.35m, ending, Job("train", 1).Suspended(1m))).Actions.Should().BeEmpty();
    }

    [Fact]
    public void Job_of_unknown_duration_resumes_with_budget_for_an_hour()
    {
        var job = Unknown("train").Suspended(1m, Reasons.BudgetExhausted);

        BudgetDecider.Decide(Budget(3.2m, job)).Actions.Should().BeEmpty();
        BudgetDecider.Decide(Budget(3.3m, job)).ResumedNames().Should().Equal("train");
    }

    [Fact]
    public void Job_suspended_for_unknown_duration_resumes_when_it_is_known()
    {
        var terms = Terms(100m) with { UnknownDuration = UnknownDuration.Hold };
        BudgetDecider.Decide(Budget(terms, Unknown("train").Suspended(1m, Reasons.UnknownDuration))).Actions.Should().BeEmpty();

        var told = Job("train", 1).Suspended(100m, Reasons.UnknownDuration);
        BudgetDecider.Decide(Budget(terms, told)).Actions.Should().ContainSingle(a => a.Reason == Reasons.DurationKnown);
    }

    [Fact]
    public void Manual_resume_waits_for_an_approval_after_the_suspension()
    {
        var terms = Terms(100m) with { Resume = ResumePolicy.Manual };
        var job = Job("train", 1).Suspended(1m);

        BudgetDecider.Decide(Budget(terms, job)).ReasonOf("train").Should().Be(Reasons.WaitingForApproval);
        BudgetDecider
            .Decide(Budget(terms, job with { ResumeApproved = true }))
            .Actions.Should()
            .ContainSingle(a => a.Reason == Reasons.Approved);

        // An approval that stays on the object resumes the job once, not each time.
        var stale = job with { ResumeApproved = true, Suspension = job.Suspension! with { Approved = true } };
        BudgetDecider.Decide(Budget(terms, stale)).Actions.Should().BeEmpty();
        BudgetDecider
            .Decide(Budget(Terms(2m) with { Resume = ResumePolicy.Manual }, job with { ResumeApproved = true }))
            .Actions.Should()
            .BeEmpty("it must fit all the same");
    }

    [Fact]
    public void New_window_resumes_the_jobs_that_fit()
    {
        var december = new DateTimeOffset(2026, 12, 1, 0, 0, 0, TimeSpan.Zero);
        var budget = Budget(
            10m,
            Job("a", 1, minutesOld: 50).Suspended(10m),
            Job("b", 1).Suspended(10m),
            Job("never", 100).Suspended(10m)
        ) with
        {
            Now = december,
            Window = Window.At(new(WindowPeriod.Month), december),
        };

        var decision = BudgetDecider.Decide(budget);
        decision.Actions.Should().ContainSingle(a => a.Workload.Name == "a" && a.Reason == Reasons.NewWindow);
        decision.ReasonOf("never").Should().Be(Reasons.NeverFits);
    }

    [Fact]
    public void Job_too_long_for_any_window_does_not_resume_at_a_window_end()
    {
        var last = new DateTimeOffset(2026, 11, 30, 23, 0, 0, TimeSpan.Zero);
        var budget = Budget(10m, Job("long", 100).Suspended(10m, window: "2026-10")) with { Now = last };

        BudgetDecider.Decide(budget).ReasonOf("long").Should().Be(Reasons.NeverFits);
    }

    [Fact]
    public void Verdict_of_a_workload_that_never_fits_suggests_what_its_kind_can_do()
    {
        var serving = Serving("chat").Suspended(1m);
        var budget = Budget(Terms(1m) with { WhenExhausted = WhenExhausted.Zero }, Job("never", 100).Suspended(1m), serving);

        var told = BudgetDecider.Decide(budget).Workloads;
        told.Single(w => w.Key.Name == "never").Sentence.Should().Contain("shorter");
        told.Single(w => w.Key.Name == "chat").Sentence.Should().Contain("fewer replicas");
    }

    [Fact]
    public void Rolling_window_tries_at_every_evaluation()
    {
        var terms = Terms(10m) with { Window = new(WindowPeriod.Rolling, Length: TimeSpan.FromHours(24)) };
        var job = Job("train", 1).Suspended(10m, window: "rolling");

        BudgetDecider.Decide(Budget(terms, job)).Actions.Should().ContainSingle(a => a.Reason == Reasons.SpendRolledOff);
        BudgetDecider.Decide(Budget(terms, job) with { Spent = Money(8m) }).Actions.Should().BeEmpty();
    }

    [Fact]
    public void Workload_that_became_exempt_or_unsuspendable_resumes()
    {
        var decision = BudgetDecider.Decide(
            Budget(1m, Job("train", 50).Suspended(1m) with { Exempt = true }, Serving("chat").Suspended(1m))
        );

        decision.Actions.Should().HaveCount(2).And.OnlyContain(a => a.Reason == Reasons.Released);
    }

    [Fact]
    public void Rolling_window_resumes_no_job_that_its_limit_would_suspend()
    {
        // Old spending leaves a minute from now. Until then both jobs would add 0.102, and stopping both costs 0.068.
        SpendSegment past = new(Now.AddMinutes(-359), Now.AddMinutes(-180), HourlyCost.FromDecimal(12m));
        BudgetSnapshot Within(decimal limit)
        {
            var budget = Budget(
                Terms(limit) with
                {
                    Window = new(WindowPeriod.Rolling, Length: TimeSpan.FromHours(6)),
                },
                Job("runs", 0) with
                {
                    Estimate = Unsettled(TimeSpan.Zero, TimeSpan.FromMinutes(10)),
                },
                Job("waits", 0.1).Suspended(35m, window: "rolling")
            );
            return budget with { RollingSpend = [past], Spent = Money(35.8m) };
        }

        BudgetDecider.Decide(Within(35.93m)).ResumedNames().Should().BeEmpty();
        BudgetDecider.Decide(Within(36m)).ResumedNames().Should().Equal("waits");
    }

    [Fact]
    public void Rolling_window_resumes_no_job_when_other_workloads_reach_the_limit()
    {
        // Old spending leaves at 12 an hour. The pod adds 20 and the job 3.06, about 1.1 in the six minutes of the job.
        SpendSegment past = new(Now.AddMinutes(-360), Now.AddMinutes(-180), HourlyCost.FromDecimal(12m));
        var pod = Job("notebook", 0) with
        {
            Key = new("team", "Pod", "notebook", "uid-notebook"),
            Class = WorkloadClass.Interactive,
            NotSuspendable = "a bare pod",
            BurnRate = HourlyCost.FromDecimal(20m),
            Rate = HourlyCost.FromDecimal(20m),
        };
        BudgetSnapshot Within(decimal limit) =>
            Budget(
                Terms(limit) with
                {
                    Window = new(WindowPeriod.Rolling, Length: TimeSpan.FromHours(6)),
                },
                pod,
                Job("waits", 0.1).Suspended(35m, window: "rolling")
            ) with
            {
                RollingSpend = [past],
                Spent = Money(36m),
            };

        BudgetDecider.Decide(Within(36.5m)).ResumedNames().Should().BeEmpty();
        BudgetDecider.Decide(Within(37.5m)).ResumedNames().Should().Equal("waits");
    }

    [Fact]
    public void Inference_at_zero_resumes_with_budget_for_an_hour()
    {
        var terms = Terms(10m) with { WhenExhausted = WhenExhausted.Zero };
        BudgetDecider.Decide(Budget(terms, Serving("chat").Suspended(5m)) with { Spent = Money(6m) }).ResumedNames().Should().Equal("chat");
        BudgetDecider.Decide(Budget(terms, Serving("chat").Suspended(5m)) with { Spent = Money(7m) }).Actions.Should().BeEmpty();
    }

    [Fact]
    public void Evaluation_that_suspends_resumes_no_job() =>
        BudgetDecider
            .Decide(Budget(20m, Job("runs", 50), Job("train", 1).Suspended(10m)))
            .Should()
            .Match<BudgetDecision>(d => d.SuspendedNames().Single() == "runs" && d.ResumedNames().Length == 0);

    [Fact]
    public void Exempted_job_resumes_and_pushes_others_out_in_one_decision()
    {
        var decision = BudgetDecider.Decide(Budget(20, Job("runs", 5), Job("exempted", 5).Suspended(20) with { Exempt = true }));
        decision.ResumedNames().Should().Equal("exempted");
        decision.SuspendedNames().Should().Equal("runs");
    }
}
