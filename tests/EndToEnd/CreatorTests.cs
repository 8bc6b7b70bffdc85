using System.Text.Json.Nodes;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;
using Bursar.Operator.Hosting;
using Bursar.Sandbox.Merging;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.EndToEnd.Worlds;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.EndToEnd;

/// <summary>A limit for each user who creates workloads, on the embedded cluster and a real API server.</summary>
internal static class Creators
{
    public const string Alice = "alice@example.com";
    public const string Bob = "bob";
    public const string Key = "bursar.dev/created-by";

    /// <summary>The second job of a user is suspended, although it claims to be of another one, whose job runs.</summary>
    /// <param name="scene">The team.</param>
    /// <param name="createAs">Creates a job as a user, through the webhook.</param>
    public static async Task UserOverTheLimitIsSuspendedAsync(Scene scene, Func<string, JsonObject, Task> createAs)
    {
        await scene.BudgetAsync("1000", $$$$"""{"perLabel": {"key": "{{{{Key}}}}", "limit": {"cost": "20"}}}""");
        await createAs(Alice, Job("alice-1", null));
        await scene.UntilRunsAsync("alice-1");
        await createAs(Alice, Job("alice-2", Bob));
        await createAs(Bob, Job("bob-1", null));

        await scene.UntilSuspendedAsync("alice-2");
        await scene.UntilRunsAsync("bob-1");
        (await scene.IsSuspendedAsync("alice-1")).Should().BeFalse();
        var label = CreatorLabel.ValueOf(Alice);
        await scene.UntilAsync("the status shows both users", async () =>
            await scene.StatusAsync() is { SuspendedCount: 1, PerLabel: [_, _] users }
            && users.Select(one => one.Name).Order(StringComparer.Ordinal).SequenceEqual([label, Bob])
        );
        (await scene.StatusAsync())!.Suspended!.Select(one => (one.Name, one.Limit)).Should().Equal(("alice-2", $"{Key}={label}"));
        var job = (await scene.World.JobAsync(scene.Team, "alice-2", CancellationToken.None)).Metadata;
        (job.Labels[Key], job.Annotations[Key]).Should().Be((label, Alice));
    }

    public static JsonObject Job(string name, string? claims) =>
        JsonNode
            .Parse(
                $$$$$$"""
                {"apiVersion": "batch/v1", "kind": "Job",
                 "metadata": {"name": "{{{{{{name}}}}}}", "labels": {{{{{{(
                    claims is null ? "{}" : $"{{\"{Key}\": \"{claims}\"}}"
                )}}}}}}, "annotations": {"bursar.dev/expected-duration": "4h"}},
                 "spec": {"backoffLimit": 2, "template": {"metadata": {"labels": {"{{{{{{Key}}}}}}": "template"}}, "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 5,
                   "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}}}
                """
            )!
            .AsObject();
}

public sealed class CreatorTests
{
    /// <summary>The embedded cluster calls no webhooks, so the test sends each job to the operator's endpoint as an API server would.</summary>
    [Fact]
    public async Task User_over_the_limit_is_suspended_and_another_user_runs()
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        var replica = await world.StartOperatorAsync(CancellationToken.None, new() { WebhookAddress = "127.0.0.1:0" });
        var webhook = await replica.WebhookAsync(CancellationToken.None);

        await Creators.UserOverTheLimitIsSuspendedAsync(scene, async (user, job) =>
        {
            JsonObject kind = new()
            {
                ["group"] = "batch",
                ["version"] = "v1",
                ["kind"] = "Job",
            };
            var answer = await AdmissionTests.ReviewAsync(scene, webhook, kind, job, "/creator", user);
            var patch = JsonNode.Parse(Convert.FromBase64String((string)answer["patch"]!));
            await scene.CreateAsync(V1Job.EntityKind.Path(scene.Team), JsonPatch.Apply(job, patch)!.ToJsonString());
        });
    }
}

/// <summary>Limits of users with the chart on a real API server, which calls the operator's webhook. kubectl impersonates users.</summary>
public sealed class RealCreatorTests
{
    private const string Team = "creators";

    private static CancellationToken Ct => CancellationToken.None;

    [SkippableFact]
    public async Task User_over_the_limit_is_suspended_and_users_cannot_change_the_label()
    {
        Skip.IfNot(ControlPlane.IsPresent, ControlPlane.Absent);
        InstallTool.RequireTools();
        var world = (RealWorld)
            await ClusterWorld.StartAsync(
                real: true,
                Ct,
                new FleetNode
                {
                    Name = "gpu-1",
                    Gpu = SimulatedGpuModel.V100,
                    Gpus = 16,
                }
            );
        await using var _ = world;
        var kubeconfig = world.Plane.KubeconfigPath;
        await world.CreateBookAsync("*V100*", "3.06", Ct);
        var scene = await Scene.OpenAsync(world, Team);
        var address = $"127.0.0.1:{FreePort.Next()}";
        var url = $"https://{address}/admit";
        await ApplyAsync(
            kubeconfig,
            (
                await InstallTool.HelmAsync(
                    kubeconfig,
                    "template",
                    "bursar",
                    InstallTool.Chart,
                    "--namespace",
                    ClusterWorld.OwnNamespace,
                    "--set",
                    $"image.repository=registry.example/bursar,admission.creatorLabel=true,admission.url={url}",
                    "-s",
                    "templates/admission.yaml",
                    "-s",
                    "templates/guard.yaml"
                )
            )
                .Succeeded()
                .Output
        );
        await ApplyAsync(
            kubeconfig,
            $$"""
            apiVersion: rbac.authorization.k8s.io/v1
            kind: Role
            metadata: {name: jobs, namespace: {{Team}}}
            rules: [{apiGroups: [batch], resources: [jobs], verbs: ["*"]}]
            ---
            apiVersion: rbac.authorization.k8s.io/v1
            kind: RoleBinding
            metadata: {name: jobs, namespace: {{Team}}}
            roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: jobs}
            subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: "{{Creators.Alice}}"}, {apiGroup: rbac.authorization.k8s.io, kind: User, name: {{Creators.Bob}}}]
            """
        );
        await world.StartOperatorAsync(Ct, new() { WebhookAddress = address, WebhookUrl = new(url) });
        await scene.UntilAsync("the webhook is asked", async () =>
            (await CreateAsync(kubeconfig, Creators.Alice, Creators.Job("probe", null), "--dry-run=server", "-o", "yaml")).Output.Contains(
                CreatorLabel.ValueOf(Creators.Alice),
                StringComparison.Ordinal
            )
        );

        await Creators.UserOverTheLimitIsSuspendedAsync(scene, async (user, job) => (await CreateAsync(kubeconfig, user, job)).Succeeded());

        // The guard: later changes, and a claim that no webhook replaces.
        Task<ToolResult> LabelAsync(string change, params string[] more) =>
            InstallTool.KubectlAsync(
                kubeconfig,
                ["label", "job", "alice-1", change, "--overwrite", "-n", Team, "--as", Creators.Alice, .. more]
            );
        await scene.UntilAsync("the guard is in force", async () =>
            (await LabelAsync($"{Creators.Key}={Creators.Bob}", "--dry-run=server")).Code != 0
        );
        (await LabelAsync($"{Creators.Key}={Creators.Bob}")).Error.Should().Contain("Bursar itself writes the label");
        (await LabelAsync($"{Creators.Key}-")).Error.Should().Contain("Bursar itself writes the label");
        (await LabelAsync("mine=yes")).Succeeded();
        (await InstallTool.KubectlAsync(kubeconfig, "delete", "mutatingwebhookconfiguration", "bursar")).Succeeded();
        await scene.UntilAsync("the webhook is gone", async () =>
            (await CreateAsync(kubeconfig, Creators.Alice, Creators.Job("claim", Creators.Bob), "--dry-run=server")).Error.Contains(
                "Bursar itself writes the label",
                StringComparison.Ordinal
            )
        );
        var own = Creators.Job("claim", CreatorLabel.ValueOf(Creators.Alice));
        own["metadata"]!["annotations"]![Creators.Key] = Creators.Alice;
        (await CreateAsync(kubeconfig, Creators.Alice, own, "--dry-run=server")).Succeeded();
        (await CreateAsync(kubeconfig, Creators.Bob, own, "--dry-run=server")).Error.Should().Contain("Bursar itself writes the label");
        // A Job without labels gets those of its template.
        var plain = Creators.Job("claim", null);
        (await CreateAsync(kubeconfig, Creators.Bob, plain, "--dry-run=server")).Error.Should().Contain("Bursar itself writes the label");
        plain["spec"]!["template"]!["metadata"]!["labels"]!.AsObject().Remove(Creators.Key);
        (await CreateAsync(kubeconfig, Creators.Bob, plain, "--dry-run=server")).Succeeded();
    }

    private static async Task ApplyAsync(string kubeconfig, string yaml) =>
        (await InstallTool.KubectlWithInputAsync(kubeconfig, yaml, "apply", "-f", "-")).Succeeded();

    private static Task<ToolResult> CreateAsync(string kubeconfig, string user, JsonObject job, params string[] more) =>
        InstallTool.KubectlWithInputAsync(kubeconfig, job.ToJsonString(), ["create", "-n", Team, "--as", user, "-f", "-", .. more]);
}
