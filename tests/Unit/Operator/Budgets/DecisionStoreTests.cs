using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Operator.Budgets;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Unit.Operator.Budgets;

public class DecisionStoreTests
{
    private static readonly BudgetDecision Decision = BudgetDecider.Decide(Given.Budget(100, Given.Job("a", 10)));

    private readonly DecisionStore _decisions = new();

    [Fact]
    public void Latest_decision_is_kept_with_what_was_admitted_and_nothing_else_of_the_memory()
    {
        _decisions.Record(Budget("1"), Decision);

        var kept = _decisions.Get(Budget("1"))!;
        kept.Memory.Admitted.Keys.Should().Equal("uid-a");
        kept.Memory.WindowKey.Should().BeEmpty();
        kept.Workloads.Select(work => (work.Key, work.State, work.Reason, work.Spent))
            .Should()
            .Equal(Decision.Workloads.Select(work => (work.Key, work.State, work.Reason, work.Spent)));
        kept.Workloads.Where(work => work.State == WorkloadState.Running).Should().OnlyContain(work => work.Sentence.Length == 0);
    }

    /// <summary>Until the budget is evaluated again, it has reserved nothing for what another budget resumed.</summary>
    [Fact]
    public void Outdated_decision_covers_no_workload_that_waits()
    {
        var waits = Decision.Workloads[0] with
        {
            Key = Decision.Workloads[0].Key with { Uid = "waits" },
            State = WorkloadState.Pending,
            OtherBudgets = "budget other",
        };
        var decision = Decision with { Workloads = [.. Decision.Workloads, waits] };
        _decisions.Record(Budget("1"), decision);
        _decisions.NotCoveredBy(Budget("1")).Should().BeEmpty();
        _decisions.MarkOutdated(Budget("1"), "another");
        _decisions.NotCoveredBy(Budget("1")).Should().Equal("waits");
        _decisions.Record(Budget("1"), decision);
        _decisions.NotCoveredBy(Budget("1")).Should().BeEmpty();
    }

    /// <summary>Otherwise its other budgets would release their reservation for it while it starts, and return a loan for it.</summary>
    [Fact]
    public void Outdated_decision_covers_the_workload_that_another_budget_resumed()
    {
        WorkloadVerdict Waiting(string uid) =>
            Decision.Workloads[0] with
            {
                Key = Decision.Workloads[0].Key with { Uid = uid },
                State = WorkloadState.Pending,
                OtherBudgets = "budget other",
            };
        _decisions.Record(Budget("1"), Decision with { Workloads = [Waiting("waits"), Waiting("first"), Waiting("second")] });

        _decisions.MarkOutdated(Budget("1"), "first");
        _decisions.MarkOutdated(Budget("1"), "second");

        _decisions.NotCoveredBy(Budget("1")).Should().Equal("waits");
    }

    [Fact]
    public void Recreated_budget_has_no_decision()
    {
        _decisions.Record(Budget("1"), Decision);

        _decisions.Get(Budget("2")).Should().BeNull();
    }

    [Fact]
    public void Deletion_of_a_replaced_budget_leaves_the_decision_on_its_successor()
    {
        _decisions.Record(Budget("1"), Decision);
        _decisions.Record(Budget("2"), Decision);

        _decisions.Forget(Budget("1"));

        _decisions.Get(Budget("2")).Should().NotBeNull();
        _decisions.All.Should().ContainSingle();
    }

    [Fact]
    public void Recording_reports_the_decision_before()
    {
        var before = new List<BudgetDecision?>();
        _decisions.Recorded += (_, earlier, _) => before.Add(earlier);

        _decisions.Record(Budget("1"), Decision);
        _decisions.Record(Budget("1"), Decision);

        before.Should().HaveCount(2);
        before[0].Should().BeNull();
        before[1]!.At.Should().Be(Decision.At);
    }

    [Fact]
    public void Forgetting_is_reported_once()
    {
        var forgotten = 0;
        _decisions.Forgotten += _ => forgotten++;
        _decisions.Record(Budget("1"), Decision);

        _decisions.Forget(Budget("1"));
        _decisions.Forget(Budget("1"));

        forgotten.Should().Be(1);
        _decisions.Get(Budget("1")).Should().BeNull();
    }

    private static V1Alpha1GpuBudget Budget(string uid) =>
        new()
        {
            Metadata = new()
            {
                Namespace = "team",
                Name = "nlp",
                Uid = uid,
            },
        };
}
