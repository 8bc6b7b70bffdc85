using Bursar.Core.Decisions;
using Bursar.Tests.TestKit;
using static Bursar.Tests.TestKit.Given;

namespace Bursar.Tests.Unit.Core.Decisions;

public sealed class ConsequenceTests
{
    private const string Lost = "Its cluster is lost.";

    [Fact]
    public void Consequence_of_a_suspension_is_in_its_message_and_its_reasoning()
    {
        var job = Job("ray", 10) with { Consequence = Lost };

        BudgetDecider.Decide(Budget(10, job)).Actions.Should().ContainSingle().Which.Sentence.Should().EndWith(" " + Lost);
        var before = Budget(100, job);
        BudgetDecider.Decide(before).Actions.Should().BeEmpty();
        Reasoning.From(before).Single().Consequence.Should().Be(Lost);
    }

    [Fact]
    public void Consequence_is_reported_while_the_workload_is_suspended()
    {
        var verdict = BudgetDecider
            .Decide(Budget(10, Job("nightly", 10).Suspended(10) with { Consequence = "CronJob nightly is suspended while its run waits." }))
            .Workloads.Single();
        verdict.Sentence.Should().EndWith("CronJob nightly is suspended while its run waits.");
        BudgetDecider
            .Decide(Budget(100, Job("nightly", 10).Suspended(10) with { Consequence = Lost }))
            .Actions.Should()
            .ContainSingle()
            .Which.Sentence.Should()
            .NotContain(Lost, "it comes back");
    }
}
