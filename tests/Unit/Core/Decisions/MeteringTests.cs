using Bursar.Core.Decisions;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Unit.Core.Decisions;

/// <summary>Metering sources in the status. They never affect decisions.</summary>
public sealed class MeteringTests
{
    [Theory]
    [InlineData("", "Fresh")]
    [InlineData("agent-1:Agent agent-2:Agent", "Fresh", "agents")]
    [InlineData("exporter-1:DcgmExporter", "Fresh", "dcgm-exporter on", "exporter-1")]
    [InlineData(
        "agent-1:Agent exporter-2:DcgmExporter exporter-1:DcgmExporter",
        "Fresh",
        "agents",
        "1 node",
        "dcgm-exporter on",
        "exporter-1",
        "exporter-2"
    )]
    [InlineData("new-1:Awaited", "Fresh")]
    [InlineData("bare-1:None", "AgentMissing", "bare-1")]
    [InlineData("agent-1:Agent agent-2:Agent bare-1:None", "AgentMissing", "agents", "2 nodes", "bare-1")]
    public void Metering_condition_names_its_sources(string nodes, string reason, params string[] named)
    {
        var view =
            nodes.Length == 0
                ? null
                : MeteringView.From(
                    nodes.Split(' ').Select(one => one.Split(':')).Select(pair => (pair[0], Enum.Parse<MeteringSource>(pair[1])))
                );
        var condition = BudgetDecider
            .Decide(Given.Budget(100, Given.Job("a", 1)) with { Metering = view })
            .Conditions.Single(c => c.Type == "MeteringFresh");
        (condition.Status, condition.Reason).Should().Be((true, reason));
        string[] all = ["agents", "1 node", "2 nodes", "dcgm-exporter on", "exporter-1", "exporter-2", "bare-1", "agent-1", "new-1"];
        all.Where(condition.Message.Contains).Should().Equal(named);
    }

    [Fact]
    public void Metering_condition_counts_many_nodes_instead_of_naming_them()
    {
        var view = MeteringView.From(Enumerable.Range(0, 500).Select(i => ($"gpu-{i:000}", MeteringSource.None)));
        BudgetDecider
            .Decide(Given.Budget(100, Given.Job("a", 1)) with { Metering = view })
            .Conditions.Single(c => c.Type == "MeteringFresh")
            .Message.Should()
            .Contain("gpu-000, gpu-001, gpu-002, gpu-003, gpu-004 and 495 more ");
    }

    [Fact]
    public void Metering_source_does_not_change_the_decision()
    {
        var budget = Given.Budget(20, Given.Job("a", 5), Given.Job("b", 5, priority: 1) with { MeteredBy = "api" });
        var (with, without) = (
            BudgetDecider.Decide(budget with { Metering = MeteringView.From([("n", MeteringSource.None)]) }),
            BudgetDecider.Decide(budget)
        );
        with.SuspendedNames().Should().Equal(without.SuspendedNames());
        with.Projected.Should().Be(without.Projected);
        with.Workloads.Select(w => w.MeteredBy).Should().Equal(null, "api");
    }

    [Theory]
    [InlineData("agent", MeteringSource.Agent, MeteringSource.Agent)]
    [InlineData("agent, api", MeteringSource.None, MeteringSource.Agent, MeteringSource.Awaited)]
    [InlineData("agent, api, dcgm-exporter", MeteringSource.DcgmExporter, MeteringSource.None, MeteringSource.Agent)]
    public void Workload_on_several_nodes_may_have_several_metering_sources(string word, params MeteringSource[] sources) =>
        MeteringView.TextOf(sources).Should().Be(word);
}
