using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using static Bursar.Tests.TestKit.Given;

namespace Bursar.Tests.Unit.Core.Decisions;

/// <summary>Workloads whose GPUs are idle: which are suspended, which are only reported, and how they run again.</summary>
public sealed class IdleTests
{
    private static readonly IdleTerms Suspends = new(TimeSpan.FromHours(2), 3, IdleAction.Suspend);
    private static readonly IdleTerms Reports = Suspends with { Action = IdleAction.Report };

    private static readonly WorkloadSnapshot Train = Quiet(Job("train", 3, minutesOld: 600), minutes: 180);
    private static readonly WorkloadSnapshot Chat = Quiet(Serving("chat"), minutes: 180);
    private static readonly WorkloadSnapshot Notebook = Chat with
    {
        Key = new("team", "Notebook", "nb", "uid-nb"),
        Class = WorkloadClass.Interactive,
    };
    private static readonly WorkloadSnapshot Pod = Notebook with
    {
        Key = new("team", "Pod", "nb", "uid-nb"),
        NotSuspendable = "a bare pod has no switch to suspend it",
    };

    public static TheoryData<string, WorkloadSnapshot, WhenExhausted, bool> Workloads =>
        new()
        {
            { "a job", Train, WhenExhausted.MinReplicas, true },
            { "a notebook", Notebook, WhenExhausted.MinReplicas, true },
            { "inference that may go to zero", Chat, WhenExhausted.Zero, true },
            { "inference that keeps its replicas", Chat, WhenExhausted.MinReplicas, false },
            { "a bare pod", Pod, WhenExhausted.Zero, false },
            { "an exempt job", Train with { Exempt = true }, WhenExhausted.Zero, false },
            { "a job that takes long to end", Train with { TerminationGrace = TimeSpan.FromHours(1) }, WhenExhausted.Zero, false },
        };

    [Theory]
    [MemberData(nameof(Workloads))]
    public void Idle_workload_is_suspended_if_it_may_be_and_reported_otherwise(
        string rule,
        WorkloadSnapshot work,
        WhenExhausted whenExhausted,
        bool isSuspended
    )
    {
        var decision = BudgetDecider.Decide(Budget(Terms(Suspends) with { WhenExhausted = whenExhausted }, work));

        decision.SuspendedNames().Should().Equal(isSuspended ? [work.Key.Name] : Array.Empty<string>(), rule);
        Reported(decision).Should().Equal(isSuspended ? [] : [work.Key.Name], rule);
        decision.Workloads.Single().IdleSince.Should().Be(Now.AddMinutes(-180));
        if (isSuspended)
            decision.Actions.Single().Reason.Should().Be(Reasons.SuspendedIdle);
    }

    [Fact]
    public void Idle_workload_is_reported_once_until_it_works_again()
    {
        var budget = Budget(Terms(Reports), Train);
        var first = BudgetDecider.Decide(budget);
        first.Actions.Should().BeEmpty();
        Reported(first).Should().Equal("train");

        Reported(Next(budget, first, 60)).Should().BeEmpty();
        var unknown = Next(budget, first, 60, work => work with { QuietSince = null });
        Reported(Next(budget, unknown, 120)).Should().BeEmpty("it is not known to have worked");

        var worked = Next(budget, first, 60, work => work with { QuietSince = Now.AddMinutes(30) });
        Reported(worked).Should().BeEmpty();
        worked.Workloads.Single().IdleSince.Should().BeNull();
        Reported(Next(budget, worked, 240, work => work with { QuietSince = Now.AddMinutes(30) })).Should().Equal("train");
    }

    [Theory]
    [InlineData("it was idle for a moment less", 119)]
    [InlineData("its activity is unknown", null)]
    public void Workload_that_is_not_idle_for_long_enough_is_left_alone(string rule, int? minutes)
    {
        var work = Train with { QuietSince = minutes is { } idle ? Now.AddMinutes(-idle) : null };
        var decision = BudgetDecider.Decide(Budget(Terms(Suspends), work));

        decision.Actions.Should().BeEmpty(rule);
        decision.Announcements.Should().BeEmpty(rule);
    }

    [Fact]
    public void Budget_without_idle_ignores_activity()
    {
        var decision = BudgetDecider.Decide(Budget(100, Train));

        decision.Actions.Should().BeEmpty();
        decision.Workloads.Single().IdleSince.Should().BeNull();
    }

    [Fact]
    public void Observe_mode_reports_the_suspension_only()
    {
        var decision = BudgetDecider.Decide(Budget(Terms(Suspends) with { Mode = EnforcementMode.Observe }, Train));

        decision.Actions.Should().BeEmpty();
        decision.Observed.Single().Reason.Should().Be(Reasons.SuspendedIdle);
        decision.Observed.Single().Sentence.Should().StartWith("Would be suspended: ");
    }

    [Fact]
    public void Circuit_breaker_stops_suspensions_of_idle_workloads()
    {
        WorkloadSnapshot[] idle = [.. Enumerable.Range(0, 3).Select(i => Quiet(Job($"train-{i}", 3, minutesOld: 600), 180))];
        var decision = BudgetDecider.Decide(Budget(Terms(Suspends), idle) with { BreakerAllowance = 2 });

        decision.SuspendedNames().Should().HaveCount(2);
        decision.Actions.Should().OnlyContain(action => action.CountsForBreaker);
        decision.ReasonOf("train-2").Should().Be(Reasons.BreakerOpen);
        Reported(decision).Should().Equal("train-2");
    }

    [Fact]
    public void Job_that_answers_is_asked_for_a_checkpoint_first()
    {
        var budget = Budget(
            Terms(Suspends) with
            {
                CheckpointGrace = TimeSpan.FromMinutes(5),
            },
            Train with
            {
                CanCheckpoint = true,
                Spent = Money(5),
            }
        );
        var asked = BudgetDecider.Decide(budget);
        asked.Actions.Single().Kind.Should().Be(ActionKind.RequestCheckpoint);
        asked.Actions.Single().Reason.Should().Be(Reasons.SuspendedIdle);

        Next(budget, asked, 1, work => work with { QuietSince = Now }).Actions.Should().BeEmpty("the checkpoint itself may use its GPUs");
        var stopped = Next(budget, asked, 5);
        stopped.SuspendedNames().Should().Equal("train");
        stopped.Actions.Single().Reason.Should().Be(Reasons.SuspendedIdle);

        var changed = budget with { Terms = Terms(Reports) };
        Next(changed, asked, 1).Actions.Single().Kind.Should().Be(ActionKind.WithdrawCheckpoint);
    }

    [Theory]
    [InlineData(WorkloadClass.Training)]
    [InlineData(WorkloadClass.Interactive)]
    public void Workload_that_was_idle_resumes_by_approval_only(WorkloadClass @class)
    {
        var suspended = (Train with { Class = @class, QuietSince = null }).Suspended(50, Reasons.SuspendedIdle, window: "2026-10");
        var budget = Budget(Terms(Suspends), suspended);
        var kept = BudgetDecider.Decide(budget);
        kept.Actions.Should().BeEmpty("neither a new window nor a higher limit is a reason");
        kept.ReasonOf("train").Should().Be(Reasons.SuspendedIdle);
        Next(budget, kept, 600).Actions.Should().BeEmpty("time is no reason");
        WhatWouldChange.For(budget, "uid-train").Should().ContainSingle().Which.Should().BeOfType<Change.Approve>();

        BudgetDecider.Decide(budget with { Workloads = [suspended with { ResumeApproved = true }] }).ResumedNames().Should().Equal("train");
        BudgetDecider.Decide(budget with { Workloads = [suspended with { Exempt = true }] }).ResumedNames().Should().Equal("train");
    }

    [Fact]
    public void Workload_that_its_user_resumed_keeps_running_until_it_is_idle_again()
    {
        var resumed = (Train with { QuietSince = Now.AddMinutes(-1) }).Suspended(50, Reasons.SuspendedIdle) with
        {
            State = WorkloadState.Running,
            BurnRate = V100,
        };
        var budget = Budget(Terms(Suspends), resumed);
        var decision = BudgetDecider.Decide(budget);
        decision.Actions.Should().BeEmpty();
        decision.StaleRecords.Should().ContainSingle();

        var limit = BudgetDecider.Decide(budget with { Spent = Money(100) });
        limit.Actions.Single().Suspension!.Reason.Should().NotBe(Reasons.SuspendedIdle, "it may resume by itself from the limit");
    }

    [Fact]
    public void Interrupted_suspension_of_an_idle_notebook_is_carried_out()
    {
        var interrupted = Notebook with
        {
            QuietSince = null,
            Suspension = new() { Since = Now.AddMinutes(-1), Reason = Reasons.SuspendedIdle },
        };

        BudgetDecider.Decide(Budget(Terms(Suspends), interrupted)).SuspendedNames().Should().Equal("nb");
    }

    [Fact]
    public void Workload_that_ran_before_the_budget_is_spared_for_the_settle_time()
    {
        var budget = Budget(Terms(Suspends) with { Settle = TimeSpan.FromMinutes(1) }, Train) with { CreatedAt = Now, Memory = new() };
        var first = BudgetDecider.Decide(budget);
        first.Actions.Should().BeEmpty();
        Reported(first).Should().Equal("train");

        Next(budget, first, 1).SuspendedNames().Should().Equal("train");
    }

    private static BudgetTerms Terms(IdleTerms idle) => Tests.TestKit.Given.Terms(100) with { Idle = idle };

    private static WorkloadSnapshot Quiet(WorkloadSnapshot work, int minutes) => work with { QuietSince = Now.AddMinutes(-minutes) };

    private static BudgetDecision Next(
        BudgetSnapshot budget,
        BudgetDecision decision,
        int minutes,
        Func<WorkloadSnapshot, WorkloadSnapshot>? change = null
    ) =>
        BudgetDecider.Decide(
            budget with
            {
                Now = Now.AddMinutes(minutes),
                Memory = decision.Memory,
                Workloads =
                [
                    .. budget
                        .Workloads.Select(work =>
                            work with
                            {
                                CheckpointAnnotation = decision.Memory.Checkpoints.GetValueOrDefault(work.Key.Uid)?.Id,
                            }
                        )
                        .Select(work => change?.Invoke(work) ?? work),
                ],
            }
        );

    private static IEnumerable<string> Reported(BudgetDecision decision) =>
        decision.Announcements.Where(one => one.Reason == Reasons.IdleGpus).Select(one => one.Workload!.Name);
}
