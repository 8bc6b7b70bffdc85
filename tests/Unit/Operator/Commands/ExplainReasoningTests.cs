using Bursar.Operator.Commands;
using Bursar.Tests.TestKit;
using Bursar.Tests.Unit.Core.Decisions;
using static Bursar.Tests.TestKit.Given;

namespace Bursar.Tests.Unit.Operator.Commands;

public sealed class ExplainReasoningTests
{
    [Fact]
    public void Reasoning_lists_each_workload_with_its_order_cost_and_changes()
    {
        var done = Job("done-soon", 2);
        var big = Job("big", 12) with { EstimateAfterResume = Settled(TimeSpan.FromHours(13)) };
        var budget = Given.Budget(40, done, big, Job("held", 3).Suspended(40)).Admitted(("done-soon", 6.12m));

        var text = ExplainReasoning.Format(budget);

        text.Should().ContainAll("2026-11-10T12:00:00Z", "spent 0.000000", "limit 40.000000 USD");
        Of("Job/big")
            .Should()
            .ContainAll(
                "Running, ProjectedOverBudget",
                "Suspension order: 1 of 2",
                "not admitted yet",
                "priority 0",
                "3.060000",
                "36.686000",
                "0.083"
            )
            .And.Contain("by 19.80 to 59.80");
        Of("Job/held")
            .Should()
            .ContainAll(
                "SuspendedByBudget, WaitingForBudget",
                "Resume order: 1 of 1",
                "priority 0",
                "Job/done-soon",
                "2026-11-10 14:00 UTC by progress",
                "window, 2026-12-01 00:00 UTC"
            );

        string Of(string workload) => text.Split("\n  Job/").Single(part => part.StartsWith(workload[4..] + " ", StringComparison.Ordinal));
    }

    [Fact]
    public void Search_for_changes_is_limited_to_sixty_workloads()
    {
        var text = ExplainReasoning.Format(Given.Budget(1_000, [.. Enumerable.Range(0, 61).Select(i => Job($"job-{i:00}", 1))]));

        text.Split("Changes were searched for the first 60 workloads only.").Should().HaveCount(2);
        text.Split("Suspension order: ").Should().HaveCount(62);
    }
}
