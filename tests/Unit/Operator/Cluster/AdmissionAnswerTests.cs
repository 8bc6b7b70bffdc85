using Bursar.Core.Decisions;
using Bursar.Operator.Cluster;
using Bursar.Tests.TestKit;
using Bursar.Tests.Unit.Core.Decisions;
using static Bursar.Tests.TestKit.Given;

namespace Bursar.Tests.Unit.Operator.Cluster;

/// <summary>What a decision means to a workload that Kueue asks about, and to one that waits in its queue.</summary>
public sealed class AdmissionAnswerTests
{
    private static readonly WorkloadSnapshot Asked = Job("train", 2).Waiting();

    [Fact]
    public void What_fits_is_admitted_with_the_sum()
    {
        var answer = Answer(Budget(100m, Asked));
        answer.Admits.Should().BeTrue();
        answer.Sentence.Should().ContainAll("Budget b", "6.12 USD", "100.00 of 100.00", "2026-11");
    }

    [Fact]
    public void What_does_not_fit_is_suspended_and_not_admitted() => Answer(Budget(5m, Asked)).Admits.Should().BeFalse();

    [Fact]
    public void Where_a_forecast_pauses_the_answer_waits()
    {
        var answer = Answer(Budget(100m, Asked) with { MeteringStale = "node gpu-1 is unreachable (no heartbeat)" });
        answer.Admits.Should().BeFalse();
        answer.Sentence.Should().Contain("node gpu-1 is unreachable (no heartbeat)");
    }

    [Fact]
    public void What_Bursar_could_not_stop_is_admitted()
    {
        Answer(Budget(5m, Asked with { NotSuspendable = "spec.managedBy is example.com/runner" })).Admits.Should().BeTrue();
        Answer(Budget(5m, Asked with { Exempt = true })).Admits.Should().BeTrue();
        Answer(Budget(5m, Asked with { Rate = null })).Admits.Should().BeTrue("it is not counted");
    }

    [Fact]
    public void A_question_that_comes_to_running_work_is_answered() => Answer(Budget(100m, Job("train", 2))).Admits.Should().BeTrue();

    [Fact]
    public void A_budget_that_observes_stands_in_nobodys_way() => Answer(Budget(5m, Asked), observes: true).Admits.Should().BeTrue();

    [Fact]
    public void A_word_from_before_it_was_let_go_admits_nothing()
    {
        // Admitted before, evicted, and queued again: Kueue asks anew, and another decision answers.
        var queued = Asked with { QueuedIn = "in Kueue's queue gpus" };
        Answer(Budget(100m, queued).Admitted(("train", 6.12m))).Admits.Should().BeFalse();
    }

    [Fact]
    public void What_waits_in_a_queue_holds_no_money_and_is_not_suspended_for_it()
    {
        var queued = Asked with { QueuedIn = "in Kueue's queue gpus" };
        var decision = BudgetDecider.Decide(Budget(8m, queued, Job("new", 2, minutesOld: 1)));
        decision.Actions.Should().BeEmpty();
        decision.ReasonOf("train").Should().Be(Reasons.Queued);
        decision.Workloads.Single(w => w.Key.Name == "train").Sentence.Should().Contain("Kueue's queue gpus");
        decision.Memory.Admitted.Keys.Should().NotContain(Asked.Key.Uid);
    }

    [Fact]
    public void What_somebody_let_go_keeps_its_record_while_it_waits_in_the_queue()
    {
        var undone = Asked with
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
        return AdmissionAnswer.Of(decision, decision.Workloads.Single(w => w.Key.Name == "train"), "b", observes);
    }
}
