using Bursar.Core.Decisions;
using Bursar.Operator.Cluster;
using Bursar.Tests.TestKit;
using Bursar.Tests.Unit.Core.Decisions;
using static Bursar.Tests.TestKit.Given;

namespace Bursar.Tests.Unit.Operator.Cluster;

/// <summary>Answers to admission checks of Kueue, and decisions about workloads in its queue.</summary>
public sealed class AdmissionAnswerTests
{
    private static readonly WorkloadSnapshot Candidate = Job("train", 2).Waiting();

    [Fact]
    public void Workload_that_fits_is_admitted_with_the_amounts()
    {
        var answer = Answer(Budget(100m, Candidate));
        answer.Admits.Should().BeTrue();
        answer.Sentence.Should().ContainAll("Budget b", "6.12 USD", "100.00 of 100.00", "2026-11");
    }

    [Fact]
    public void Workload_that_does_not_fit_is_suspended_and_not_admitted() => Answer(Budget(5m, Candidate)).Admits.Should().BeFalse();

    [Fact]
    public void Paused_forecast_delays_the_answer()
    {
        var answer = Answer(Budget(100m, Candidate) with { MeteringStale = "node gpu-1 is unreachable (no heartbeat)" });
        answer.Admits.Should().BeFalse();
        answer.Sentence.Should().Contain("node gpu-1 is unreachable (no heartbeat)");
    }

    [Fact]
    public void Workload_that_Bursar_cannot_suspend_is_admitted()
    {
        Answer(Budget(5m, Candidate with { NotSuspendable = "spec.managedBy is example.com/runner" })).Admits.Should().BeTrue();
        Answer(Budget(5m, Candidate with { Exempt = true })).Admits.Should().BeTrue();
        Answer(Budget(5m, Candidate with { Rate = null })).Admits.Should().BeTrue("it is not counted");
    }

    [Fact]
    public void Admission_check_of_a_running_workload_is_answered() => Answer(Budget(100m, Job("train", 2))).Admits.Should().BeTrue();

    [Fact]
    public void Observing_budget_admits_everything() => Answer(Budget(5m, Candidate), observes: true).Admits.Should().BeTrue();

    [Fact]
    public void Earlier_admission_does_not_admit_a_requeued_workload()
    {
        // The workload was admitted, evicted and requeued. Kueue's new admission check needs a new decision.
        var queued = Candidate with { QueuedIn = "in Kueue's queue gpus" };
        Answer(Budget(100m, queued).Admitted(("train", 6.12m))).Admits.Should().BeFalse();
    }

    [Fact]
    public void Queued_workload_reserves_nothing_and_is_not_suspended()
    {
        var queued = Candidate with { QueuedIn = "in Kueue's queue gpus" };
        var decision = BudgetDecider.Decide(Budget(8m, queued, Job("new", 2, minutesOld: 1)));
        decision.Actions.Should().BeEmpty();
        decision.ReasonOf("train").Should().Be(Reasons.Queued);
        decision.Workloads.Single(w => w.Key.Name == "train").Sentence.Should().Contain("Kueue's queue gpus");
        decision.Memory.Admitted.Keys.Should().NotContain(Candidate.Key.Uid);
    }

    [Fact]
    public void Resumed_workload_keeps_its_record_while_it_is_queued()
    {
        var undone = Candidate with
        {
            QueuedIn = "in Kueue's queue gpus",
            Suspension = new()
            {
                Since = Now.AddMinutes(-5),
                Reason = Reasons.DoesNotFit,
                Confirmed = true,
            },
        };
        BudgetDecider.Decide(Budget(100m, undone)).StaleRecords.Should().BeEmpty();
        BudgetDecider.Decide(Budget(100m, undone with { QueuedIn = null })).StaleRecords.Should().Equal(undone.Key);
    }

    private static AdmissionAnswer Answer(BudgetSnapshot budget, bool observes = false)
    {
        var decision = BudgetDecider.Decide(budget);
        return AdmissionAnswer.From(decision, decision.Workloads.Single(w => w.Key.Name == "train"), "b", observes);
    }
}
