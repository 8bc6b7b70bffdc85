using System.Diagnostics;
using System.Text.Json.Nodes;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.EndToEnd.Worlds;
using Bursar.Tests.TestKit;
using Xunit.Abstractions;

namespace Bursar.Tests.EndToEnd;

/// <summary>
/// The chart's webhook on a real kube-apiserver, which asks an operator outside the cluster by URL; kubectl creates the work. One test,
/// because it kills the operator and starts it again.
/// </summary>
public sealed class RealAdmissionTests(ITestOutputHelper output)
{
    private const string Team = "nlp";

    private static CancellationToken Ct => CancellationToken.None;

    [SkippableFact]
    public async Task Kubectl_is_warned_jobs_wait_for_the_leader_and_without_it_they_run()
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
        await Kinds.ServeAsync(world, Kinds.All);
        var address = $"127.0.0.1:{FreePort.Next()}";
        var url = $"https://{address}/admit";
        string[] options = ["--webhook-address", address, "--webhook-url", url];
        var chart = (
            await InstallTool.HelmAsync(
                kubeconfig,
                "template",
                "bursar",
                InstallTool.Chart,
                "--namespace",
                ClusterWorld.OwnNamespace,
                "--set",
                $"image.repository=registry.example/bursar,admission.url={url}",
                "-s",
                "templates/admission.yaml"
            )
        ).Succeeded();
        (await InstallTool.KubectlWithInputAsync(kubeconfig, chart.Output, "apply", "-f", "-")).Succeeded();
        (await InstallTool.KubectlAsync(kubeconfig, "label", "namespace", Team, "bursar.dev/admission=enabled")).Succeeded();
        await scene.BudgetAsync("20", name: "nlp");
        var running = OperatorProcess.Start(kubeconfig, options);
        try
        {
            await scene.UntilAsync("the budget is evaluated", async () => (await scene.StatusAsync("nlp"))?.Spent is not null);
            await AskedAsync(scene, kubeconfig);

            // A job that fits is suspended on creation, its user is warned, and it is resumed.
            var (fits, warning) = await CreateAsync(kubeconfig, Job("fits", "10m"));
            output.WriteLine(warning);
            warning.Should().ContainAll("Warning: gpubudget nlp", "20.00 of 20.00 USD", "1 GPU at 3.06 USD/h");
            ((bool)fits["spec"]!["suspend"]!).Should().BeTrue();
            var watch = Stopwatch.StartNew();
            await PollAsync(async () => !await scene.IsSuspendedAsync("fits"));
            output.WriteLine($"let go {watch.ElapsedMilliseconds} ms after kubectl returned");
            (await world.JobAsync(Team, "fits", Ct)).Metadata.Annotations.Should().NotContainKey(AdmissionGate.Annotation);
            await scene.UntilRunsAsync("fits");

            // A job that does not fit never starts.
            await CreateAsync(kubeconfig, Job("dear", "20h"));
            await scene.UntilAsync("it is suspended", async () =>
                (await world.JobAsync(Team, "dear", Ct)).Metadata.Annotations.ContainsKey("bursar.dev/suspended-by")
            );
            (await scene.UntilEventAsync("Suspended", "dear")).Note.Should().Contain("Budget nlp has ");
            var dear = await world.JobAsync(Team, "dear", Ct);
            dear.Metadata.Generation.Should().Be(1);
            dear.Metadata.Annotations.Should().NotContainKey(AdmissionGate.Annotation);

            // A dry run is answered the same and leaves nothing.
            var dry = await InstallTool.KubectlWithInputAsync(
                kubeconfig,
                Job("dry", "10m"),
                "create",
                "--dry-run=server",
                "-n",
                Team,
                "-f",
                "-"
            );
            dry.Succeeded().Error.Should().Contain("Warning: gpubudget nlp: ");
            (await world.Client.GetOrNullAsync<V1Job>("dry", Team, Ct)).Should().BeNull();

            // Others' business.
            (await CreateAsync(kubeconfig, Job("own", "10m", suspended: true))).Warning.Should().BeEmpty();
            (await CreateAsync(kubeconfig, Job("cpu", "10m", gpus: 0))).Warning.Should().BeEmpty();
            (await InstallTool.KubectlAsync(kubeconfig, "create", "namespace", "elsewhere")).Succeeded();
            (await InstallTool.KubectlWithInputAsync(kubeconfig, Job("unlabelled", "10m"), "create", "-n", "elsewhere", "-f", "-"))
                .Succeeded()
                .Error.Should()
                .BeEmpty();

            // Every kind: the conditions of the chart let its GPU work through to the operator.
            foreach (var kind in Kinds.All.Where(name => WorkloadKinds.Find(name)!.Suspends))
            {
                var entity = WorkloadKinds.Find(kind)!.Entity;
                var body = new JsonObject
                {
                    ["apiVersion"] = entity.ApiVersion,
                    ["kind"] = kind,
                    ["metadata"] = new JsonObject { ["name"] = "x" },
                    ["spec"] = JsonNode.Parse(Kinds.Spec(kind)),
                };
                var made = await world.Client.RequestAsync(
                    HttpMethod.Post,
                    entity.Path(Team) + "?dryRun=All",
                    new StringContent(body.ToJsonString(), System.Text.Encoding.UTF8, "application/json"),
                    Ct
                );
                ((string?)made!["metadata"]!["annotations"]?[AdmissionGate.Annotation]).Should().NotBeNull("{0} is gated", kind);
            }

            // The webhook is unreachable, so the job runs at once.
            await running.KillAsync();
            watch.Restart();
            var (open, silence) = await CreateAsync(kubeconfig, Job("open", "20h"));
            output.WriteLine($"with the operator killed kubectl took {watch.ElapsedMilliseconds} ms");
            silence.Should().BeEmpty();
            ((bool?)open["spec"]!["suspend"]).Should().NotBe(true);

            // An upgrade of the chart keeps what the operator wrote, and a reset configuration is written again.
            (await InstallTool.KubectlWithInputAsync(kubeconfig, chart.Output, "apply", "-f", "-")).Succeeded();
            (await BundlesAsync(scene)).Should().NotContain("");
            (await InstallTool.KubectlWithInputAsync(kubeconfig, chart.Output, "replace", "-f", "-")).Succeeded();
            (await BundlesAsync(scene)).Should().OnlyContain(bundle => bundle == "");

            await running.DisposeAsync();
            running = OperatorProcess.Start(kubeconfig, options);
            await scene.UntilSuspendedAsync("open");
            await AskedAsync(scene, kubeconfig);
            (await scene.IsSuspendedAsync("own")).Should().BeTrue("its user suspended it");
            (await world.JobAsync(Team, "own", Ct)).Metadata.Annotations.Should().NotContainKey("bursar.dev/suspended-by");
            await scene.SetLimitAsync("1000", "nlp");
            await scene.UntilResumedAsync("dear");
            await scene.UntilResumedAsync("open");
        }
        finally
        {
            await running.DisposeAsync();
        }
    }

    /// <summary>Waits until the API server asks the operator.</summary>
    private static async Task AskedAsync(Scene scene, string kubeconfig)
    {
        await scene.UntilAsync("the API server knows the roots", async () => (await BundlesAsync(scene)).All(bundle => bundle.Length > 0));
        await scene.UntilAsync("the webhook is asked", async () =>
            (
                await InstallTool.KubectlWithInputAsync(
                    kubeconfig,
                    Job("probe", "10m"),
                    "create",
                    "--dry-run=server",
                    "-n",
                    Team,
                    "-f",
                    "-"
                )
            ).Error.Contains("Warning: ", StringComparison.Ordinal)
        );
    }

    private static async Task<string[]> BundlesAsync(Scene scene)
    {
        var configuration = await scene.World.Client.GetAsync<V1MutatingWebhookConfiguration>("bursar", null, Ct);
        return [.. configuration.Webhooks.Select(webhook => System.Text.Encoding.UTF8.GetString(webhook.ClientConfig.CaBundle ?? []))];
    }

    private static async Task<(JsonNode Object, string Warning)> CreateAsync(string kubeconfig, string job)
    {
        var answer = (await InstallTool.KubectlWithInputAsync(kubeconfig, job, "create", "-n", Team, "-o", "json", "-f", "-")).Succeeded();
        return (JsonNode.Parse(answer.Output)!, answer.Error);
    }

    private static async Task PollAsync(Func<Task<bool>> holds)
    {
        var watch = Stopwatch.StartNew();
        while (!await holds())
        {
            watch.Elapsed.Should().BeLessThan(TimeSpan.FromMinutes(2));
            await Task.Delay(20);
        }
    }

    private static string Job(string name, string declared, bool suspended = false, int gpus = 1) =>
        $$$$$$$$"""
            apiVersion: batch/v1
            kind: Job
            metadata: {name: {{{{{{{{name}}}}}}}}, annotations: {bursar.dev/expected-duration: {{{{{{{{declared}}}}}}}}}}
            spec:
              {{{{{{{{(suspended ? "suspend: true" : "backoffLimit: 1")}}}}}}}}
              template:
                spec:
                  restartPolicy: Never
                  terminationGracePeriodSeconds: 5
                  containers: [{name: main, image: "example/trainer", resources: {limits: { {{{{{{{{(
                gpus > 0 ? $"nvidia.com/gpu: {gpus}" : "cpu: 100m"
            )}}}}}}}} }}}]
            """;
}
