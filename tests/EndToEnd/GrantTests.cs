using Bursar.Api;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Commands;
using Bursar.Sandbox.ApiServer;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>The steps of the tests with GpuBudgetRequests.</summary>
internal static class Grants
{
    private static CancellationToken Ct => CancellationToken.None;

    public static async Task<V1Alpha1GpuBudgetRequest> CreateAsync(Scene scene, string name, string spec)
    {
        await scene.CreateAsync(
            $"/apis/bursar.dev/v1alpha1/namespaces/{scene.Team}/gpubudgetrequests",
            $$$"""
            {"apiVersion": "bursar.dev/v1alpha1", "kind": "GpuBudgetRequest", "metadata": {"name": "{{{name}}}"}, "spec": {"reason": "deadline", {{{spec}}} } }
            """
        );
        return await GetAsync(scene, name);
    }

    public static Task<V1Alpha1GpuBudgetRequest> GetAsync(Scene scene, string name) =>
        scene.World.Client.GetAsync<V1Alpha1GpuBudgetRequest>(name, scene.Team, Ct);

    public static Task UntilAsync(Scene scene, string name, string state, string reason) =>
        scene.UntilAsync($"request {name} is {state}: {reason}", async () =>
            (await GetAsync(scene, name)).Status is { } status
            && status.State == state
            && status.Conditions?.FirstOrDefault(one => one.Type == "Granted")?.Reason == reason
        );

    public static Task AnswerAsync(Scene scene, string name, bool approves) =>
        AnswerCommands.RunAsync(scene.World.Client, scene.Team, name, approves, "seen", TextWriter.Null, Ct);

    /// <summary>A job of 9.18 USD does not fit 5 USD, and runs with 10 USD more.</summary>
    public static async Task JobResumesAsync(Scene scene, string name)
    {
        await scene.JobAsync("train", declared: "3h");
        await scene.UntilSuspendedAsync("train");
        using var output = new StringWriter();
        await RequestCommand.RunAsync(
            scene.World.Client,
            scene.Team,
            new(scene.Team, name),
            new() { Amount = "10", Reason = "deadline" },
            output,
            Ct
        );
        var request = (await scene.World.Client.ListAsync<V1Alpha1GpuBudgetRequest>(new() { Namespace = scene.Team }, Ct)).Items.Single();
        output.ToString().Should().Contain($"kubectl bursar approve gpubr/{request.Metadata.Name} -n {scene.Team}");
        request.Spec!.RequestedBy.Should().NotBeNullOrEmpty();
        await UntilAsync(scene, request.Metadata.Name, "Pending", "WaitingForApproval");
        await scene.PassAsync(10);
        (await scene.IsSuspendedAsync("train")).Should().BeTrue();

        await AnswerAsync(scene, request.Metadata.Name, approves: true);
        await scene.UntilResumedAsync("train");

        await UntilAsync(scene, request.Metadata.Name, "Approved", "GrantApproved");
        var status = (await GetAsync(scene, request.Metadata.Name)).Status!;
        status.Granted.Should().Be("10.000000");
        status.ApprovedBy.Should().Be(request.Spec.RequestedBy);
        await scene.UntilAsync("the limit has the grant", async () => (await scene.StatusAsync(name))?.Limit == "15.000000");
        var budget = (await scene.StatusAsync(name))!;
        budget.Should().BeEquivalentTo(new { Limit = "15.000000", Granted = "10.000000" });
        budget
            .Grants!.Single()
            .Should()
            .BeEquivalentTo(
                new
                {
                    request.Metadata.Name,
                    Amount = "10.000000",
                    status.ApprovedBy,
                }
            );
        await scene.UntilEventAsync("GrantApproved", request.Metadata.Name);
        await scene.UntilEventAsync("GrantApproved", name);
        (await scene.UntilEventAsync("Resumed", "train")).Note.Should().Contain("the budget was raised");
    }
}

public sealed class GrantTests
{
    private static CancellationToken Ct => CancellationToken.None;

    [Fact]
    public async Task Job_resumes_when_a_request_is_approved_also_after_a_restart()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("5");
        await Grants.JobResumesAsync(scene, "b");
        using var explained = new StringWriter();
        await ExplainCommand.RunAsync(world.Client, ClusterWorld.OwnNamespace, scene.Team, "b", false, explained, TextWriter.Null, Ct);
        explained.ToString().Should().Contain("10.000000 of it is granted").And.Contain("0.000000 of 10.000000 used");

        await world.StopOperatorAsync();
        await world.StartOperatorAsync(Ct, restart: true);
        await scene.PassAsync(30);
        (await scene.IsSuspendedAsync("train")).Should().BeFalse();
        (await scene.StatusAsync())!.Limit.Should().Be("15.000000");
        (await scene.EventsAsync("GrantApproved", "b")).Should().ContainSingle("a grant is announced once");
    }

    /// <summary>The first hour of the job costs 3.06, of which 1.06 is beyond the limit of 2.</summary>
    [Fact]
    public async Task Expired_grant_leaves_its_used_part_in_the_limit()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("2", """{"window": {"period": "Day"}}""");
        var until = Bursar.Core.Text.Rfc3339.Format(world.Time.GetUtcNow().AddHours(1));
        await Grants.CreateAsync(scene, "more", $"\"budget\": \"b\", \"amount\": 10, \"until\": \"{until}\"");
        await Grants.UntilAsync(scene, "more", "Pending", "WaitingForApproval");
        await Grants.AnswerAsync(scene, "more", approves: true);
        await Grants.UntilAsync(scene, "more", "Approved", "GrantApproved");
        await scene.JobAsync("train", declared: "3h");
        await scene.PassAsync(50 * 60);
        (await scene.RunsAsync("train")).Should().BeTrue();

        await scene.UntilAsync(
            "the grant has expired",
            async () => (await Grants.GetAsync(scene, "more")).Status?.State == "Expired",
            TimeSpan.FromMinutes(15)
        );
        var used = decimal.Parse((await Grants.GetAsync(scene, "more")).Status!.Used!, System.Globalization.CultureInfo.InvariantCulture);
        used.Should().BeInRange(0.9m, 1.1m);
        var limit = decimal.Parse((await scene.StatusAsync())!.Limit!, System.Globalization.CultureInfo.InvariantCulture);
        limit.Should().Be(2 + used);
        await scene.UntilEventAsync("GrantExpired", "b");
        await scene.UntilSuspendedAsync("train", TimeSpan.FromMinutes(2));
    }

    [Fact]
    public async Task Deleted_or_denied_request_withdraws_the_unused_part()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("5");
        foreach (var name in (string[])["deleted", "denied"])
        {
            await Grants.CreateAsync(scene, name, """ "budget": "b", "amount": "10" """);
            await Grants.UntilAsync(scene, name, "Pending", "WaitingForApproval");
            await Grants.AnswerAsync(scene, name, approves: true);
            await Grants.UntilAsync(scene, name, "Approved", "GrantApproved");
        }
        (await scene.StatusAsync())!.Limit.Should().Be("25.000000");

        await Grants.AnswerAsync(scene, "denied", approves: false);
        await Grants.UntilAsync(scene, "denied", "Denied", "Denied");
        await world.Client.DeleteAsync<V1Alpha1GpuBudgetRequest>("deleted", scene.Team, null, Ct);
        await scene.UntilAsync("both have left the limit", async () => (await scene.StatusAsync())!.Limit == "5.000000");
        (await scene.EventsAsync("GrantWithdrawn", "b")).Should().HaveCount(2);
    }

    [Fact]
    public async Task Request_waits_for_its_budget_and_small_ones_need_no_user()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await Grants.CreateAsync(scene, "early", """ "budget": "b", "amount": "4" """);
        await Grants.UntilAsync(scene, "early", "Pending", "BudgetNotFound");
        await scene.UntilEventAsync("BudgetNotFound", "early");

        await scene.BudgetAsync("40", """{"autoApprove": {"maxPercent": 10, "perWindow": 1}}""");
        await Grants.UntilAsync(scene, "early", "Approved", "AutoApproved");
        (await Grants.GetAsync(scene, "early")).Status!.ApprovedBy.Should().Be("bursar");
        await Grants.CreateAsync(scene, "second", """ "budget": "b", "amount": "4" """);
        await Grants.UntilAsync(scene, "second", "Pending", "WaitingForApproval");
        await Grants.CreateAsync(scene, "euros", """ "budget": "b", "amount": "4", "currency": "EUR" """);
        await Grants.UntilAsync(scene, "euros", "Failed", "CurrencyMismatch");
        (await scene.StatusAsync())!.Limit.Should().Be("44.000000");
    }

    [Fact]
    public async Task ClusterGpuBudget_takes_requests_only_from_namespaces_that_it_covers()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        var other = await Scene.OpenAsync(world, "other");
        await ClusterBudgets.CreateAsync(world, "research", "50", """ "namespaces": ["team"] """);
        foreach (var one in (Scene[])[scene, other])
            await Grants.CreateAsync(one, "more", """ "clusterBudget": "research", "amount": "10" """);
        await Grants.UntilAsync(other, "more", "Pending", "BudgetNotFound");
        await Grants.AnswerAsync(other, "more", approves: true);
        await Grants.UntilAsync(scene, "more", "Pending", "WaitingForApproval");
        await Grants.AnswerAsync(scene, "more", approves: true);

        await Grants.UntilAsync(scene, "more", "Approved", "GrantApproved");
        await scene.UntilAsync("the limit has the grant", async () =>
            (await ClusterBudgets.StatusAsync(world, "research"))?.Limit == "60.000000"
        );
        await scene.PassAsync(90);
        (await ClusterBudgets.StatusAsync(world, "research"))!.Limit.Should().Be("60.000000");
        (await Grants.GetAsync(other, "more")).Status!.State.Should().Be("Pending");
    }

    [Theory]
    [InlineData(true, 3)]
    [InlineData(false, 1)]
    public async Task Answer_is_written_although_the_status_changes_meanwhile(bool approves, int conflicts)
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("5");
        await Grants.CreateAsync(scene, "more", """ "budget": "b", "amount": "10" """);
        await Grants.UntilAsync(scene, "more", "Pending", "WaitingForApproval");
        scene.Sandbox.Server.Faults.Add(
            new FaultRule(new Fault.Answer(409))
            {
                Client = ClusterWorld.OwnAgent,
                Verb = "patch",
                Resource = "gpubudgetrequests",
                Times = conflicts,
            }
        );
        await Grants.AnswerAsync(scene, "more", approves);
        scene.Sandbox.Server.Faults.Shown.Should().Be(conflicts);
        await scene.UntilAsync("it is answered", async () =>
            (await Grants.GetAsync(scene, "more")).Status!.State == (approves ? "Approved" : "Denied")
        );
    }

    [Fact]
    public async Task Request_cannot_be_changed_and_an_answer_stays()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("5");
        await Grants.CreateAsync(scene, "more", """ "budget": "b", "amount": "10" """);
        await Grants.UntilAsync(scene, "more", "Pending", "WaitingForApproval");
        await Grants.AnswerAsync(scene, "more", approves: true);

        async Task RefusedAsync(string patch, string? subresource, string message) =>
            (
                await FluentActions
                    .Invoking(() =>
                        world.Client.PatchAsync<V1Alpha1GpuBudgetRequest>(
                            "more",
                            scene.Team,
                            KubePatch.Merge(System.Text.Json.Nodes.JsonNode.Parse(patch)!) with
                            {
                                Subresource = subresource,
                            },
                            Ct
                        )
                    )
                    .Should()
                    .ThrowAsync<ApiException>()
            )
                .Which.Message.Should()
                .Contain(message);
        await RefusedAsync("""{"spec": {"amount": "500"}}""", null, "a request cannot be changed");
        await RefusedAsync("""{"status": {"conditions": null}}""", "status", "an answer stays");
        foreach (var approves in (bool[])[true, false])
            await FluentActions
                .Invoking(async () =>
                {
                    await Grants.AnswerAsync(scene, "more", approves);
                    await Grants.AnswerAsync(scene, "more", approves);
                })
                .Should()
                .ThrowAsync<CommandException>();
    }
}

/// <summary>A request and its approval on the real control plane.</summary>
[Collection(RealClusterCollection.Name)]
public sealed class RealGrantTests(RealCluster cluster)
{
    [SkippableFact]
    public Task Job_resumes_when_a_request_is_approved() => cluster.PlayAsync("grants", async scene =>
        {
            await scene.BudgetAsync(
                "5",
                """{"window": {"period": "Once", "start": "2020-01-01T00:00:00Z", "end": "2100-01-01T00:00:00Z"}}"""
            );
            await Grants.JobResumesAsync(scene, "b");
        });
}
