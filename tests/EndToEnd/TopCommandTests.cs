using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Kubernetes.Client;
using Bursar.Operator.Commands;

namespace Bursar.Tests.EndToEnd;

/// <summary><c>bursar top</c> on the status of budgets, as the operator writes it.</summary>
public sealed class TopCommandTests
{
    private static CancellationToken Ct => CancellationToken.None;

    [Fact]
    public async Task Budgets_are_listed_by_the_share_that_is_used()
    {
        await using var world = await WorldAsync();

        var table = await TableAsync(world, null, TopCommand.Budgets);

        table
            .TrimEnd()
            .Split('\n')
            .Select(line => string.Join(' ', line.Split(' ', StringSplitOptions.RemoveEmptyEntries)))
            .Should()
            .Equal(
                "NAMESPACE BUDGET STATE SPENT LIMIT USED% PER-HOUR PROJECTED CURRENCY RUNS-OUT SUSPENDED",
                "team-vision vision WorkloadsSuspended 45.00 50.00 90 3.06 70.00 USD 2026-11-20T00:00:00Z 2",
                "* research OnTrack 45.00 100.00 45 3.06 70.00 USD 0",
                "team-vision new"
            );
    }

    [Fact]
    public async Task Workload_of_two_budgets_is_one_row_with_the_amounts_of_its_own_budget()
    {
        await using var world = await WorldAsync();

        var (budgets, _) = await TopCommand.ReadAsync(world.Client, CommandsWorld.BursarNamespace, null, Ct);
        var rows = JsonNode.Parse(TopCommand.Write(TopCommand.Workloads(budgets, null), "json"))!.AsArray();

        rows.Select(row => (string?)row!["workload"]).Should().Equal("Job/expensive", "Job/train", "Job/waiting");
        rows[1]!["spent"]!.GetValue<string>().Should().Be("45.000000");
        rows[1]!["budgets"]!.GetValue<string>().Should().Be("gpub/vision cgpub/research");
        rows[1]!["ends"]!.GetValue<string>().Should().Be("2026-11-19T00:00:00Z");
        rows[0]!["namespace"]!.GetValue<string>().Should().Be(CommandsWorld.OtherTeam);
        rows[2]!.AsObject().ContainsKey("spent").Should().BeFalse("an unknown amount is left out");
    }

    [Fact]
    public async Task Namespace_has_the_ClusterGpuBudgets_that_cover_it_and_only_its_workloads()
    {
        await using var world = await WorldAsync();

        var (budgets, missing) = await TopCommand.ReadAsync(world.Client, CommandsWorld.BursarNamespace, CommandsWorld.OtherTeam, Ct);

        missing.Should().BeNull();
        budgets.Select(budget => budget.Metadata.Name).Should().Equal("research");
        TopCommand.Workloads(budgets, CommandsWorld.OtherTeam).Cells.Select(row => row[1]).Should().Equal("Job/expensive");
    }

    [Fact]
    public async Task Namespace_without_budgets_has_an_empty_table()
    {
        await using var world = await CommandsWorld.StartAsync();

        (await TableAsync(world, CommandsWorld.Team, TopCommand.Budgets)).Should().Be("Nothing found.\n");
    }

    [Fact]
    public async Task Missing_right_on_ClusterGpuBudgets_is_reported()
    {
        await using var world = await WorldAsync();
        world.Refuse("list", "clustergpubudgets");

        foreach (var ns in (string?[])[null, CommandsWorld.Team])
        {
            var (budgets, missing) = await TopCommand.ReadAsync(world.Client, CommandsWorld.BursarNamespace, ns, Ct);
            budgets.Select(budget => budget.Metadata.Name).Should().BeEquivalentTo("vision", "new");
            missing.Should().StartWith("note: ClusterGpuBudgets are left out: ");
        }
    }

    private static async Task<string> TableAsync(CommandsWorld world, string? ns, Func<IEnumerable<BudgetObject>, TopCommand.Rows> rows)
    {
        var (budgets, _) = await TopCommand.ReadAsync(world.Client, CommandsWorld.BursarNamespace, ns, Ct);
        return TopCommand.Write(rows(budgets), "table");
    }

    private static async Task<CommandsWorld> WorldAsync()
    {
        var world = await CommandsWorld.StartAsync();
        await world.CreateBudgetAsync("vision", "50");
        await world.CreateBudgetAsync("new", "10");
        await world.CreateClusterBudgetAsync("research", "100", CommandsWorld.Team, CommandsWorld.OtherTeam);
        await SetStatusAsync<V1Alpha1GpuBudget>(
            world,
            "vision",
            CommandsWorld.Team,
            """
            {"state": "WorkloadsSuspended", "currency": "USD", "limit": "50.000000", "spent": "45.000000", "percent": 90, "suspendedCount": 2,
             "burnRatePerHour": "3.060000", "projected": "70.000000", "exhaustedAt": "2026-11-20T00:00:00Z",
             "workloads": [
               {"kind": "Job", "name": "waiting", "class": "training", "state": "SuspendedByBudget", "gpus": 8, "ratePerHour": "24.480000"},
               {"kind": "Job", "name": "train", "class": "training", "state": "Running", "gpus": 1, "ratePerHour": "3.060000", "spent": "45.000000",
                "projected": "60.000000", "eta": {"likely": "2026-11-19T00:00:00Z", "source": "declared"}}]}
            """
        );
        await SetStatusAsync<V1Alpha1ClusterGpuBudget>(
            world,
            "research",
            null,
            """
            {"state": "OnTrack", "currency": "USD", "limit": "100.000000", "spent": "45.000000", "percent": 45, "suspendedCount": 0,
             "burnRatePerHour": "3.060000", "projected": "70.000000", "namespaces": ["team-speech", "team-vision"], "namespaceCount": 2,
             "workloads": [
               {"namespace": "team-vision", "kind": "Job", "name": "train", "class": "training", "state": "Running", "gpus": 1, "ratePerHour": "3.060000", "spent": "50.000000"},
               {"namespace": "team-speech", "kind": "Job", "name": "expensive", "class": "training", "state": "Running", "gpus": 8, "ratePerHour": "24.480000", "spent": "1.000000"}]}
            """
        );
        return world;
    }

    private static Task SetStatusAsync<T>(CommandsWorld world, string name, string? ns, string status)
        where T : class, Bursar.Kubernetes.Objects.IKubernetesEntity<T> =>
        world.Client.PatchAsync<T>(
            name,
            ns,
            KubePatch.Merge(new JsonObject { ["status"] = JsonNode.Parse(status) }) with
            {
                Subresource = "status",
            },
            Ct
        );
}
