using System.Diagnostics;
using System.Text.Json;
using Bursar.Api;
using Bursar.Demo;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Config;
using Bursar.Kubernetes.Objects;
using Bursar.Sandbox.Controllers;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.EndToEnd;

/// <summary>
/// The files that are shipped: trimmed, self-contained, one file each. What trimming took away shows only here. They are
/// found by <c>BURSAR_PUBLISHED</c>, the folder that <c>make publish</c> fills.
/// </summary>
public sealed class PublishedTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(2);

    [SkippableFact]
    public async Task Programs_print_the_version_of_the_chart()
    {
        var chart = await File.ReadAllTextAsync(Path.Combine(RepositoryRoot(), "charts", "gpu-budget-operator", "Chart.yaml"));
        foreach (var program in (string[])["bursar", "bursar-agent"])
        {
            var (code, output, error) = await RunAsync(program, "--version");
            code.Should().Be(0, error);
            chart.Should().Contain($"\nversion: {output.Trim()}\n").And.Contain($"\nappVersion: {output.Trim()}\n");
        }
    }

    [SkippableFact]
    public async Task Trimming_removes_nothing_from_the_generated_files()
    {
        var (code, output, error) = await RunAsync("bursar", "generate", "--check", "--out", RepositoryRoot());
        code.Should().Be(0, "{0}{1}", output, error);
    }

    [SkippableFact]
    public async Task Operator_has_no_command_demo()
    {
        var (code, _, error) = await RunAsync("bursar", "demo");
        code.Should().Be(2);
        error.Should().Contain("Unrecognized command or argument 'demo'");
    }

    [SkippableTheory]
    [InlineData("bursar", 64)]
    [InlineData("bursar-agent", 43)]
    public void Published_file_is_bounded_and_has_no_embedded_cluster(string program, int megabytes)
    {
        var file = Published(program);
        new FileInfo(file).Length.Should().BeLessThanOrEqualTo(megabytes * 1_000_000L);
        ShouldHaveNoEmbeddedCluster(file);
    }

    /// <summary>Assemblies and their namespaces are named in a single file as they are, in UTF-8.</summary>
    internal static void ShouldHaveNoEmbeddedCluster(string file)
    {
        var bytes = File.ReadAllBytes(file);
        bytes.AsSpan().IndexOf("Bursar.Core"u8).Should().BePositive("{0} is the product's", file);
        bytes.AsSpan().IndexOf("Bursar.Sandbox"u8).Should().Be(-1, "{0} has no API server and no simulator", file);
    }

    [SkippableFact]
    public async Task Agent_starts_without_a_driver_and_reports_it()
    {
        using var agent = Start(
            "bursar-agent",
            "--node-name",
            "gpu-1",
            "--operator-address",
            "127.0.0.1:0",
            "--pod-address",
            "127.0.0.1:0",
            "--metrics-address",
            "127.0.0.1:0",
            "--journal-dir",
            "none",
            "--cert-dir",
            "/nonexistent",
            "--nvml-library",
            "/nonexistent/libnvidia-ml.so.1",
            "--pod-resources-socket",
            "/nonexistent/kubelet.sock"
        );
        try
        {
            using var stop = new CancellationTokenSource(Deadline);
            var line = await agent.StandardOutput.ReadLineAsync(stop.Token);
            using var addresses = JsonDocument.Parse(line!);
            using var http = new HttpClient();
            var page = await http.GetStringAsync($"http://{addresses.RootElement.GetProperty("metrics").GetString()}/metrics", stop.Token);
            page.Should().Contain("bursar_agent_build_info").And.Contain("bursar_agent_gpu_state");
        }
        finally
        {
            await EndAsync(agent);
        }
        agent.ExitCode.Should().Be(0);
    }

    [SkippableTheory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Operator_suspends_a_job_that_would_overrun_and_resumes_it(bool real)
    {
        _ = Published("bursar");
        Skip.If(real && !ControlPlane.IsPresent, ControlPlane.Absent);
        using var stop = new CancellationTokenSource(Deadline);
        var ct = stop.Token;
        var folder = Directory.CreateTempSubdirectory("bursar-published-").FullName;
        await using var plane = real
            ? await ControlPlane.StartAsync(
                "job-controller,namespace-controller,garbage-collector-controller,serviceaccount-controller",
                withScheduler: true,
                withServiceAccounts: true,
                ct
            )
            : null;
        await using var sandbox = real ? null : await Bursar.Sandbox.Sandbox.StartAsync(new(), ct);
        var kubeconfig = plane?.KubeconfigPath ?? Path.Combine(folder, "kubeconfig");
        if (sandbox is not null)
            await sandbox.WriteKubeconfigAsync(kubeconfig, ct);
        using var client = new KubeClient(KubeConfig.FromFile(kubeconfig));
        var token = sandbox?.Token ?? plane!.Token;
        await using var controllers = real ? null : await BuiltInControllers.StartAsync(client, 1, ct);
        foreach (var (_, yaml) in CrdFiles.ReadAll())
            await PostAsync(client, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", yaml, ct);
        foreach (var ns in (string[])["bursar-system", "bursar-agents", "team"])
            await PostAsync(client, "/api/v1/namespaces", $"{{apiVersion: v1, kind: Namespace, metadata: {{name: {ns}}}}}", ct);
        await UntilAsync(
            "the CRDs are served",
            async () =>
                await IsServedAsync(client, "gpubudgets", ct)
                && await IsServedAsync(client, "gpuledgers", ct)
                && await IsServedAsync(client, "gpupricebooks", ct),
            ct
        );
        await using var nodes = await NodeSimulator.StartAsync(
            client,
            new()
            {
                Fleet = [new FleetNode { Name = "gpu-1", Gpu = SimulatedGpuModel.V100 }],
                Bind = plane?.HasScheduler != true,
                ImagePull = TimeSpan.FromMilliseconds(200),
            },
            ct
        );

        using var program = Start(
            "bursar",
            "operator",
            "--kubeconfig",
            kubeconfig,
            "--metrics-address",
            "127.0.0.1:0",
            "--log-format",
            "json"
        );
        var log = program.StandardError.ReadToEndAsync(ct);
        try
        {
            await PostAsync(
                client,
                "/apis/bursar.dev/v1alpha1/namespaces/team/gpubudgets",
                // The clock is real. At the end of a calendar window, the job would cost less than the limit until then.
                "{apiVersion: bursar.dev/v1alpha1, kind: GpuBudget, metadata: {name: nlp}, spec: {limit: {cost: \"2\"}, window: {period: Rolling, length: 168h}}}",
                ct
            );
            await PostAsync(
                client,
                "/apis/batch/v1/namespaces/team/jobs",
                """
                {apiVersion: batch/v1, kind: Job, metadata: {name: finetune, annotations: {bursar.dev/expected-duration: 10h}}, spec: {template: {spec: {
                  restartPolicy: Never, terminationGracePeriodSeconds: 1,
                  containers: [{name: main, image: example/trainer, resources: {limits: {nvidia.com/gpu: "1"}}}]}}}}
                """,
                ct
            );
            await UntilAsync(
                "the job is suspended",
                async () => (await client.GetAsync<V1Job>("finetune", "team", ct)).Spec.Suspend == true,
                ct
            );
            await client.PatchAsync<V1Alpha1GpuBudget>(
                "nlp",
                "team",
                KubePatch.Merge(
                    new System.Text.Json.Nodes.JsonObject
                    {
                        ["spec"] = new System.Text.Json.Nodes.JsonObject
                        {
                            ["limit"] = new System.Text.Json.Nodes.JsonObject { ["cost"] = "100" },
                        },
                    }
                ),
                ct
            );
            await UntilAsync(
                "the job is resumed",
                async () => (await client.GetAsync<V1Job>("finetune", "team", ct)).Spec.Suspend != true,
                ct
            );
        }
        finally
        {
            await EndAsync(program);
        }
        program.ExitCode.Should().Be(0, await log);
        (await log)
            .Should()
            .Contain("Suspending:")
            .And.Contain("Resuming:")
            .And.NotContain(token, "no secret belongs in a log")
            .And.NotContain("PRIVATE KEY");
    }

    private static async Task<bool> IsServedAsync(KubeClient client, string plural, CancellationToken ct)
    {
        try
        {
            await client.RequestAsync(HttpMethod.Get, $"/apis/bursar.dev/v1alpha1/{plural}", null, ct);
            return true;
        }
        catch (ApiException error) when (error.IsNotFound)
        {
            return false;
        }
    }

    private static Task PostAsync(KubeClient client, string path, string yaml, CancellationToken ct) =>
        client.RequestAsync(HttpMethod.Post, path, new StringContent(yaml, System.Text.Encoding.UTF8, "application/yaml"), ct);

    private static async Task UntilAsync(string what, Func<Task<bool>> holds, CancellationToken ct)
    {
        try
        {
            while (!await holds())
                await Task.Delay(100, ct);
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            throw new TimeoutException($"{what}: not so within {Deadline}");
        }
    }

    private static async Task<(int Code, string Output, string Error)> RunAsync(string program, params string[] arguments)
    {
        using var process = Start(program, arguments);
        using var stop = new CancellationTokenSource(Deadline);
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(stop.Token);
            var error = process.StandardError.ReadToEndAsync(stop.Token);
            await process.WaitForExitAsync(stop.Token);
            return (process.ExitCode, await output, await error);
        }
        finally
        {
            if (!process.HasExited)
                process.Kill();
        }
    }

    private static Process Start(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(Published(program), arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = Path.GetTempPath(),
        };
        return Process.Start(start)!;
    }

    /// <summary>Asks it to end as the kubelet does, and waits.</summary>
    private static async Task EndAsync(Process process)
    {
        using var stop = new CancellationTokenSource(Deadline);
        using (var kill = Process.Start("/bin/sh", ["-c", $"kill -TERM {process.Id}"]))
            await kill.WaitForExitAsync(stop.Token);
        try
        {
            await process.WaitForExitAsync(stop.Token);
        }
        finally
        {
            if (!process.HasExited)
                process.Kill();
        }
    }

    private static string Published(string program)
    {
        var folder = Environment.GetEnvironmentVariable("BURSAR_PUBLISHED");
        Skip.If(string.IsNullOrEmpty(folder), "BURSAR_PUBLISHED names no folder: make publish makes one, and make ci runs this on it");
        return Path.Combine(folder!, program);
    }

    private static string RepositoryRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "Operator.sln")))
                return folder.FullName;
        throw new InvalidOperationException("not run from within the repository");
    }
}
