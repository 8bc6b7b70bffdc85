using Bursar.Operator.Commands;
using Bursar.Tests.TestKit;
using Bursar.Tests.Unit.Core.Decisions;
using static Bursar.Tests.TestKit.Given;

namespace Bursar.Tests.Unit.Operator.Commands;

public sealed class ExplainReasoningTests
{
    [Fact]
    public void Every_workload_is_told_with_its_place_its_worth_and_what_would_change_it()
    {
        var done = Job("done-soon", 2);
        var big = Job("big", 12) with { EstimateAfterResume = Settled(TimeSpan.FromHours(13)) };
        var budget = Given.Budget(40, done, big, Job("held", 3).Parked(40)).Admitted(("done-soon", 6.12m));

        var text = ExplainReasoning.Of(budget);

        text.Should()
            .Contain(
                "The whole reasoning of the last decision that changed something, at 2026-11-10T12:00:00Z: spent 0.000000, limit 40.000000 USD"
            );
        text.Should()
            .Contain(
                "Job/big  Running, ProjectedOverBudget\n    Number 1 of 2 to be parked: not admitted yet, priority 0. Parking it loses 3.060000 of work since its last checkpoint and saves 36.686000: 0.083 lost per 1 saved."
            );
        text.Should().Contain("It would run: raise the limit by 19.80 to 59.80 (or a top-up of as much)");
        text.Should().Contain("Job/held  Parked, WaitsForMoney\n    Number 1 of 1 to come back, priority 0.");
        text.Should().Contain("let Job/done-soon finish, about 2026-11-10 14:00Z by progress");
        text.Should().Contain("wait for the next window, 2026-12-01 00:00Z");
    }

    [Fact]
    public void More_work_than_a_person_waits_for_is_told_without_the_search()
    {
        var text = ExplainReasoning.Of(Given.Budget(1_000, [.. Enumerable.Range(0, 61).Select(i => Job($"job-{i:00}", 1))]));

        text.Split("What would change this was looked for with the first 60 only.").Should().HaveCount(2);
        text.Split("Number ").Should().HaveCount(62);
    }
}
