using Bursar.Core.Decisions;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Unit.Core.Decisions;

/// <summary>What the status says of who measures; it never touches what is decided.</summary>
public sealed class MeteringTests
{
    [Theory]
    [InlineData("", "Fresh", "The API server's times are current.")]
    [InlineData("a:Agent b:Agent", "Fresh", "The API server's times are current; busy time and energy are measured by the nodes' agents.")]
    [InlineData(
        "a:DcgmExporter",
        "Fresh",
        "The API server's times are current; busy time and energy are measured by the dcgm-exporter on a."
    )]
    [InlineData(
        "c:Agent b:DcgmExporter a:DcgmExporter",
        "Fresh",
        "The API server's times are current; busy time and energy are measured by the agents of 1 node and the dcgm-exporter on a, b."
    )]
    [InlineData("a:Awaited", "Fresh", "The API server's times are current.")]
    [InlineData(
        "b:Nobody",
        "AgentMissing",
        "The API server's times are current. On b no agent answers that sees the GPUs and no dcgm-exporter is read: work there is billed, and nobody measures what its GPUs do."
    )]
    [InlineData(
        "a:Agent b:Agent c:Nobody",
        "AgentMissing",
        "The API server's times are current; busy time and energy are measured by the agents of 2 nodes. On c no agent answers that sees the GPUs and no dcgm-exporter is read: work there is billed, and nobody measures what its GPUs do."
    )]
    public void The_condition_names_the_sources(string nodes, string reason, string message)
    {
        var view =
            nodes.Length == 0
                ? null
                : MeteringView.Of(
                    nodes.Split(' ').Select(one => one.Split(':')).Select(pair => (pair[0], Enum.Parse<MeteringSource>(pair[1])))
                );
        var condition = BudgetDecider
            .Decide(Given.Budget(100, Given.Job("a", 1)) with { Metering = view })
            .Conditions.Single(c => c.Type == "MeteringFresh");
        (condition.Status, condition.Reason, condition.Message).Should().Be((true, reason, message));
    }

    [Fact]
    public void Many_nodes_are_counted_and_not_named()
    {
        var view = MeteringView.Of(Enumerable.Range(0, 500).Select(i => ($"gpu-{i:000}", MeteringSource.Nobody)));
        BudgetDecider
            .Decide(Given.Budget(100, Given.Job("a", 1)) with { Metering = view })
            .Conditions.Single(c => c.Type == "MeteringFresh")
            .Message.Should()
            .Contain("On gpu-000, gpu-001, gpu-002, gpu-003, gpu-004 and 495 more no agent answers");
    }

    [Fact]
    public void Who_measures_decides_nothing()
    {
        var budget = Given.Budget(20, Given.Job("a", 5), Given.Job("b", 5, priority: 1) with { MeteredBy = "api" });
        var (with, without) = (
            BudgetDecider.Decide(budget with { Metering = MeteringView.Of([("n", MeteringSource.Nobody)]) }),
            BudgetDecider.Decide(budget)
        );
        with.ParkedNames().Should().Equal(without.ParkedNames());
        with.Projected.Should().Be(without.Projected);
        with.Workloads.Select(w => w.MeteredBy).Should().Equal(null, "api");
    }

    [Theory]
    [InlineData("agent", MeteringSource.Agent, MeteringSource.Agent)]
    [InlineData("agent, api", MeteringSource.Nobody, MeteringSource.Agent, MeteringSource.Awaited)]
    [InlineData("agent, api, dcgm-exporter", MeteringSource.DcgmExporter, MeteringSource.Nobody, MeteringSource.Agent)]
    public void A_workload_on_several_nodes_may_have_several(string word, params MeteringSource[] sources) =>
        MeteringView.WordOf(sources).Should().Be(word);
}
