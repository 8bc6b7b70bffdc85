using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Kubernetes.Client;
using Bursar.Sandbox.ApiServer;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

public sealed class OrphanTests
{
    [Fact]
    public async Task Workload_resumed_after_its_budget_was_deleted_has_an_Event_with_the_reason()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1");
        await scene.JobAsync("too-long", declared: "2h");
        await scene.UntilSuspendedAsync("too-long");
        await world.Client.DeleteAsync<V1Alpha1GpuBudget>("b", scene.Team, null, CancellationToken.None);

        await scene.UntilResumedAsync("too-long");

        (await scene.UntilEventAsync("Resumed", "too-long")).Note.Should().Be("Resumed: budget b was deleted.");
    }

    [Fact]
    public async Task Workload_no_longer_selected_has_an_Event_with_the_reason_for_its_resume()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1");
        await scene.JobAsync("too-long", declared: "2h");
        await scene.UntilSuspendedAsync("too-long");
        await world.Client.PatchAsync<V1Alpha1GpuBudget>(
            "b",
            scene.Team,
            KubePatch.Merge(JsonNode.Parse("""{"spec": {"selector": {"matchLabels": {"app": "other"}}}}""")!),
            CancellationToken.None
        );

        await scene.UntilResumedAsync("too-long");

        (await scene.UntilEventAsync("Resumed", "too-long")).Note.Should().Be("Resumed: budget b does not select it any more.");
    }

    [Fact]
    public async Task Workload_resumed_by_its_user_has_an_Event_when_it_is_suspended_again()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        await scene.JobAsync("too-long", declared: "2h");
        await scene.UntilSuspendedAsync("too-long");
        await scene.SuspendAsync("too-long", false);
        await scene.UntilSuspendedAsync("too-long");

        (await scene.UntilEventAsync("SuspendedAgain", "too-long"))
            .Note.Should()
            .MatchRegex("^Suspended again: .* 6\\.12 USD .* the limit of budget .* [0-9.]+ USD");
    }

    /// <summary>A budget that is used up is another rule with the same message.</summary>
    [Fact]
    public async Task Workload_resumed_by_its_user_at_the_limit_has_an_Event_with_the_reason()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("0.2");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        await scene.JobAsync("endless");
        await scene.UntilSuspendedAsync("endless", TimeSpan.FromMinutes(10));
        await scene.PassAsync(30);
        await scene.SuspendAsync("endless", false);
        await scene.UntilSuspendedAsync("endless");

        (await scene.UntilEventAsync("SuspendedAgain", "endless"))
            .Note.Should()
            .MatchRegex("^Suspended again: .* the limit of budget .* [0-9.]+ USD");
    }

    [Fact]
    public async Task Workload_that_cannot_be_resumed_delays_no_other()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1", name: "a");
        await scene.BudgetAsync("1", """{"selector": {"matchLabels": {"app": "z-other"}}}""", name: "z");
        string[] jobs = ["a-broken", "b-works", "z-other"];
        foreach (var job in jobs)
            await scene.JobAsync(job, declared: "2h");
        foreach (var job in jobs)
            await scene.UntilSuspendedAsync(job);
        await scene.PassAsync(10);
        scene.Sandbox.Server.Faults.Add(
            new(new Fault.Answer(500))
            {
                Client = "bursar/",
                Verb = "patch",
                PathPart = "/jobs/a-broken",
            }
        );
        foreach (var budget in (string[])["a", "z"])
            await world.Client.DeleteAsync<V1Alpha1GpuBudget>(budget, scene.Team, null, CancellationToken.None);

        await scene.UntilResumedAsync("b-works");
        await scene.UntilResumedAsync("z-other");
        (await scene.IsSuspendedAsync("a-broken")).Should().BeTrue();

        scene.Sandbox.Server.Faults.Clear();
        await scene.UntilResumedAsync("a-broken", TimeSpan.FromMinutes(2));
    }
}
