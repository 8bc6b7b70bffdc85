using Bursar.Core.Decisions;
using Bursar.Core.Money;
using Bursar.Tests.TestKit;
using static Bursar.Tests.TestKit.Given;

namespace Bursar.Tests.Unit.Core.Decisions;

/// <summary>Checkpoint requests: a workload that supports them gets time to save its work before it is suspended.</summary>
public sealed class CheckpointTests
{
    private static readonly TimeSpan Grace = TimeSpan.FromMinutes(5);

    [Fact]
    public void Workload_that_would_overrun_gets_a_checkpoint_request_and_time_to_answer()
    {
        var budget = Over(Answering("a", 5));

        var asked = BudgetDecider.Decide(budget);
        var request = asked.Memory.Checkpoints["uid-a"];

        var action = asked.Actions.Should().ContainSingle().Subject;
        action.Kind.Should().Be(ActionKind.RequestCheckpoint);
        action.Reason.Should().Be(Reasons.ProjectedOverBudget);
        action.Sentence.Should().ContainAll("2026-11-10 12:05 UTC", "0.26 USD", "15.80 USD");
        request
            .Should()
            .BeEquivalentTo(
                new
                {
                    Id = "nlp/2026-11-10T12:00:00Z",
                    Requested = Now,
                    Deadline = Now + Grace,
                    Work = "Job/a",
                }
            );
        asked.ReasonOf("a").Should().Be(Reasons.CheckpointRequested);
        asked.State.Should().Be(Reasons.ProjectedOver);

        // The annotation is on the object now. The decider waits for an answer; one to an older request does not count.
        var waits = BudgetDecider.Decide(Next(budget, asked, 60, w => w with { CheckpointAcknowledged = "nlp/2026-11-10T11:00:00Z" }));
        waits.Actions.Should().BeEmpty();
        waits.Memory.Checkpoints["uid-a"].Should().Be(request);
    }

    [Fact]
    public void Acknowledgement_or_newer_checkpoint_suspends_at_once()
    {
        var budget = Over(Answering("a", 5));
        var asked = BudgetDecider.Decide(budget);

        var named = BudgetDecider.Decide(
            Next(budget, asked, 20, w =>
                w with
                {
                    CheckpointAcknowledged = "nlp/2026-11-10T12:00:00Z",
                    Checkpoint = new(Now.AddSeconds(15), 12_300),
                }
            )
        );
        named.SuspendedNames().Should().Equal("a");
        named.Actions[0].Sentence.Should().ContainAll("acknowledged", "after step 12,300", "2026-11-10 12:00:15 UTC");

        var written = BudgetDecider.Decide(Next(budget, asked, 20, w => w with { Checkpoint = new(Now, null) }));
        written.SuspendedNames().Should().Equal("a");

        // A checkpoint from before the request is no answer.
        BudgetDecider
            .Decide(Next(budget, asked, 20, w => w with { Checkpoint = new(Now.AddSeconds(-1), 12_000) }))
            .Actions.Should()
            .BeEmpty();
    }

    [Fact]
    public void Workload_that_does_not_answer_is_suspended_at_the_deadline()
    {
        var budget = Over(Answering("a", 5) with { Checkpoint = new(Now.AddMinutes(-9), 8_000) });
        var asked = BudgetDecider.Decide(budget);

        BudgetDecider.Decide(Next(budget, asked, 299)).Actions.Should().BeEmpty();
        var over = BudgetDecider.Decide(Next(budget, asked, 300));
        over.SuspendedNames().Should().Equal("a");
        over.Actions[0].Reason.Should().Be(Reasons.ProjectedOverBudget);
        over.Actions[0].Sentence.Should().ContainAll("No checkpoint was acknowledged", "5m", "since step 8,000", "2026-11-10 11:51 UTC");

        // The suspension failed to be written; the request is not repeated.
        BudgetDecider.Decide(Next(budget, over, 305)).SuspendedNames().Should().Equal("a");
    }

    [Fact]
    public void Workload_without_checkpoint_support_is_suspended_without_a_request()
    {
        BudgetDecider.Decide(Over(Answering("a", 5) with { CanCheckpoint = false })).SuspendedNames().Should().Equal("a");
        BudgetDecider
            .Decide(Budget(Terms(10m) with { CheckpointGrace = TimeSpan.Zero }, Answering("a", 5)).Admitted(("a", 9m)))
            .SuspendedNames()
            .Should()
            .Equal("a");
        // The job was never admitted and has nothing to save.
        BudgetDecider.Decide(Budget(10m, Answering("a", 5) with { Spent = Amount.Zero })).SuspendedNames().Should().Equal("a");
        // The job has no pod that could answer.
        BudgetDecider.Decide(Over(Answering("a", 5).Waiting())).SuspendedNames().Should().Equal("a");
    }

    [Fact]
    public void Checkpoint_wait_moves_the_limit_earlier_by_its_cost()
    {
        // 340 s of stop at 3.06/h are 0.289, 40 s without the wait 0.034.
        BudgetSnapshot At(decimal spent) =>
            Budget(10m, Answering("a", 0) with { Estimate = Unknown("a").Estimate }).Admitted(("a", 1m)) with
            {
                Spent = Money(spent),
            };

        BudgetDecider.Decide(At(9.70m)).Should().Match<BudgetDecision>(d => d.Actions.Count == 0 && d.OverspendBound == Money(0.289m));
        var asked = BudgetDecider.Decide(At(9.72m));
        asked
            .Actions.Should()
            .ContainSingle()
            .Which.Should()
            .Match<BudgetAction>(a => a.Kind == ActionKind.RequestCheckpoint && a.Reason == Reasons.BudgetExhausted && !a.ByForecast);

        // During the wait, the stop cost shrinks with the time that is left.
        var waits = BudgetDecider.Decide(Next(At(9.72m), asked, 100) with { Spent = Money(9.805m) });
        waits.Actions.Should().BeEmpty();
        waits.OverspendBound.Should().Be(Money(0.204m));
        BudgetDecider.Decide(Next(At(9.72m), asked, 100) with { Spent = Money(9.97m) }).SuspendedNames().Should().Equal("a");
        BudgetDecider
            .Decide(Next(At(9.72m), asked, 100) with { Spent = Money(9.97m) })
            .Actions[0]
            .Sentence.Should()
            .ContainAll("2026-11-10 12:05 UTC", "is lost")
            .And.NotContain("acknowledged");
        BudgetDecider.Decide(At(9.97m)).SuspendedNames().Should().Equal("a");
    }

    [Fact]
    public void Request_at_the_limit_stays_when_another_workload_is_suspended()
    {
        var budget = Budget(10m, Answering("a", 0) with { Estimate = Unknown("a").Estimate }, Unknown("mute"))
            .Admitted(("a", 1m), ("mute", 1m)) with
        {
            Spent = Money(9.69m),
        };
        var first = BudgetDecider.Decide(budget);
        first.SuspendedNames().Should().Equal("mute");
        first.Memory.Checkpoints.Keys.Should().Equal("uid-a");

        // The stop cost of the other job is gone, so the limit alone would not suspend this one now.
        var left = Next(budget, first, 5);
        left = left with
        {
            Workloads = [.. left.Workloads.Select(w => w.Key.Name == "mute" ? w.Suspended(10m, Reasons.BudgetExhausted) : w)],
        };
        var second = BudgetDecider.Decide(left);
        second.Actions.Should().BeEmpty();
        second.ReasonOf("a").Should().Be(Reasons.CheckpointRequested);
    }

    [Fact]
    public void Open_request_prevents_the_choice_of_another_victim()
    {
        // Either job would suffice; the younger one gets the request.
        var budget = Budget(40m, Answering("old", 7, minutesOld: 60), Answering("young", 7)).Admitted(("old", 15m), ("young", 15m));
        var asked = BudgetDecider.Decide(budget);
        var chosen = asked.Memory.Checkpoints.Keys.Should().ContainSingle().Subject;

        // By now, the other job would lose almost nothing and the chosen one a lot.
        var later = Next(budget, asked, 60, w =>
            w.Key.Uid == chosen
                ? w with
                {
                    EstimateAfterResume = Settled(TimeSpan.FromHours(20)),
                }
                : w with
                {
                    EstimateAfterResume = w.Estimate,
                }
        );
        var waits = BudgetDecider.Decide(later);
        waits.Actions.Should().BeEmpty();
        waits.Memory.Checkpoints.Keys.Should().Equal(chosen);
    }

    [Fact]
    public void Top_up_withdraws_the_request_and_a_better_estimate_does_not()
    {
        var budget = Over(Answering("a", 5));
        var asked = BudgetDecider.Decide(budget);

        var luckier = BudgetDecider.Decide(Next(budget, asked, 60, w => w with { Estimate = Settled(TimeSpan.FromHours(1)) }));
        luckier.Actions.Should().BeEmpty();
        luckier.ReasonOf("a").Should().Be(Reasons.CheckpointRequested);

        var raised = BudgetDecider.Decide(Next(budget, asked, 60) with { Terms = Terms(100m) });
        raised
            .Actions.Should()
            .ContainSingle()
            .Which.Should()
            .Match<BudgetAction>(a => a.Kind == ActionKind.WithdrawCheckpoint && a.CheckpointId == "nlp/2026-11-10T12:00:00Z");
        raised.Memory.Checkpoints.Should().BeEmpty();
        raised.ReasonOf("a").Should().Be(Reasons.Fits);

        // The limit is raised by too little, so the request keeps its id and deadline.
        var little = BudgetDecider.Decide(Next(budget, asked, 60) with { Terms = Terms(11m) });
        little.Actions.Should().BeEmpty();
        little.Memory.Checkpoints["uid-a"].Should().Be(asked.Memory.Checkpoints["uid-a"]);
    }

    [Fact]
    public void Request_is_dropped_while_metering_is_stale_or_in_observe_only_mode()
    {
        var budget = Over(Answering("a", 5));
        var asked = BudgetDecider.Decide(budget);

        var stale = BudgetDecider.Decide(Next(budget, asked, 400) with { MeteringStale = "node gpu-1 is lost" });
        stale.SuspendedNames().Should().BeEmpty();
        stale.Memory.Checkpoints.Should().BeEmpty();

        var observed = BudgetDecider.Decide(Next(budget, asked, 400) with { ObserveOnly = true });
        observed.Actions.Should().BeEmpty();
        observed.Memory.Checkpoints.Should().BeEmpty();
    }

    [Fact]
    public void Request_annotations_are_reconciled_after_a_crash()
    {
        var budget = Over(Answering("a", 5));
        var asked = BudgetDecider.Decide(budget);

        // The operator crashed before it wrote the annotation. It repeats the same request.
        var again = BudgetDecider.Decide(Next(budget, asked, 30, w => w with { CheckpointAnnotation = null }));
        again
            .Actions.Should()
            .ContainSingle()
            .Which.Should()
            .Match<BudgetAction>(a => a.Kind == ActionKind.RequestCheckpoint && a.CheckpointId == "nlp/2026-11-10T12:00:00Z");
        again.Memory.Checkpoints["uid-a"].Should().Be(asked.Memory.Checkpoints["uid-a"]);

        // After a restart, support for checkpoints is not known yet.
        BudgetDecider.Decide(Next(budget, asked, 30, w => w with { CanCheckpoint = false })).Actions.Should().BeEmpty();

        // An annotation without a request is removed; one of another budget is left alone.
        BudgetDecider
            .Decide(Budget(100m, Answering("a", 5) with { CheckpointAnnotation = "nlp/2026-11-09T00:00:00Z" }))
            .Actions.Should()
            .ContainSingle()
            .Which.Should()
            .Match<BudgetAction>(a => a.Kind == ActionKind.WithdrawCheckpoint && a.Checkpoint == null);
        BudgetDecider
            .Decide(Budget(100m, Answering("a", 5) with { CheckpointAnnotation = "other/2026-11-09T00:00:00Z" }))
            .Actions.Should()
            .BeEmpty();
    }

    [Fact]
    public void Interrupted_suspension_completes_without_a_checkpoint_request()
    {
        var cut = Answering("a", 5) with
        {
            Suspension = new()
            {
                Since = Now.AddMinutes(-1),
                Reason = Reasons.ProjectedOverBudget,
                WindowKey = "2026-11",
                Limit = Money(10m),
            },
        };
        BudgetDecider.Decide(Over(cut)).SuspendedNames().Should().Equal("a");
    }

    [Fact]
    public void Checkpoint_requests_count_toward_the_circuit_breaker()
    {
        WorkloadSnapshot[] crowd = [.. Enumerable.Range(0, 6).Select(i => Answering($"job-{i}", 5))];
        var decision = BudgetDecider.Decide(
            Budget(10m, crowd).Admitted([.. crowd.Select(w => (w.Key.Name, 9m))]) with
            {
                Spent = Amount.Zero,
                BreakerAllowance = 3,
            }
        );
        decision.Memory.Checkpoints.Should().HaveCount(3);
        decision.Condition("BreakerOpen").Status.Should().BeTrue();
    }

    [Fact]
    public void Latest_checkpoint_stays_in_memory_without_new_reports()
    {
        var told = BudgetDecider.Decide(Budget(100m, Answering("a", 5) with { Checkpoint = new(Now, 700) }));
        told.Memory.Marks["uid-a"].Should().Be(new CheckpointMark(Now, 700));
        CheckpointMark
            .Later(new(Now, null), told.Memory.Marks["uid-a"] with { At = Now.AddMinutes(-1) })
            .Should()
            .Be(new CheckpointMark(Now, 700), "it includes the earlier checkpoint");
    }

    private static WorkloadSnapshot Answering(string name, double hours, int minutesOld = 10) =>
        Job(name, hours, minutesOld: minutesOld, spent: 0.5m) with
        {
            CanCheckpoint = true,
        };

    /// <summary>A limit of ten and an admitted job of 15.30.</summary>
    private static BudgetSnapshot Over(WorkloadSnapshot work) => Budget(10m, work).Admitted((work.Key.Name, 9m));

    /// <summary>A later snapshot with the requests as annotations on the objects.</summary>
    private static BudgetSnapshot Next(
        BudgetSnapshot budget,
        BudgetDecision before,
        double seconds,
        Func<WorkloadSnapshot, WorkloadSnapshot>? change = null
    ) =>
        budget.Later(TimeSpan.FromSeconds(seconds), before.Memory) with
        {
            Workloads =
            [
                .. budget
                    .Workloads.Select(w => w with { CheckpointAnnotation = before.Memory.Checkpoints.GetValueOrDefault(w.Key.Uid)?.Id })
                    .Select(change ?? (w => w)),
            ],
        };
}
