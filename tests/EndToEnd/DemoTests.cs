using System.Globalization;
using System.Text.RegularExpressions;
using Bursar.Api;
using Bursar.Demo;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Commands;
using Microsoft.Extensions.Logging.Abstractions;

namespace Bursar.Tests.EndToEnd;

/// <summary>The main job on the embedded cluster, with the real operator, nodes and agents.</summary>
public sealed class DemoTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(2);

    [Fact]
    public async Task Runaway_job_is_suspended_and_resumes_when_the_limit_is_raised()
    {
        var kubeconfig = Path.Combine(Directory.CreateTempSubdirectory("bursar-test-").FullName, "kubeconfig");
        using (var stop = new CancellationTokenSource(Deadline))
        await using (
            var cluster = await DemoCluster.StartAsync(kubeconfig, 60, TimeProvider.System, NullLoggerFactory.Instance, stop.Token)
        )
        {
            if (!OperatingSystem.IsWindows())
                File.GetUnixFileMode(kubeconfig).Should().Be(UnixFileMode.UserRead | UnixFileMode.UserWrite);

            var caught = await cluster.WaitForCatchAsync(Deadline, stop.Token);

            caught.Should().NotBeNull();
            caught!.After.Should().BeGreaterThan(TimeSpan.Zero).And.BeLessThan(TimeSpan.FromMinutes(5));
            (await JobAsync(cluster.Client, "vit-runaway")).Spec.Suspend.Should().BeTrue();
            (await JobAsync(cluster.Client, "resnet-50")).Spec.Suspend.Should().NotBe(true, "it fits the budget");
            cluster.Time.GetUtcNow().Should().BeBefore(TimeProvider.System.GetUtcNow());

            // The bill ends where the stored ledger is complete, which may be before the pods of a moment ago.
            string explained;
            double[] billed;
            do
            {
                using var output = new StringWriter();
                await ExplainCommand.RunAsync(
                    cluster.Client,
                    "bursar-system",
                    "team-vision",
                    "vision",
                    json: false,
                    output,
                    TextWriter.Null,
                    stop.Token
                );
                explained = output.ToString();
                billed =
                [
                    .. Regex
                        .Matches(explained, @"([0-9.]+) s × 1 of Tesla-V100")
                        .Select(match => double.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture)),
                ];
            } while (billed.Length == 0);
            explained.Should().Contain("Job/vit-runaway  since").And.Contain("replay: same result").And.NotContain("DIFFERENT");
            // The limit is on the cluster's clock: on the wall clock it would be twelve hours.
            billed.Should().OnlyContain(seconds => seconds < (cluster.Time.GetUtcNow() - cluster.Start).TotalSeconds + 1);

            await cluster.Client.PatchAsync<V1Alpha1GpuBudget>(
                "vision",
                "team-vision",
                KubePatch.Merge(
                    new System.Text.Json.Nodes.JsonObject
                    {
                        ["spec"] = new System.Text.Json.Nodes.JsonObject
                        {
                            ["limit"] = new System.Text.Json.Nodes.JsonObject { ["cost"] = "30" },
                        },
                    }
                ),
                stop.Token
            );
            while ((await JobAsync(cluster.Client, "vit-runaway")).Spec.Suspend == true)
                await Task.Delay(50, stop.Token);
        }
        File.Exists(kubeconfig).Should().BeFalse("the demo removes what it wrote");
    }

    [Fact]
    public async Task Demo_with_once_ends_by_itself_with_a_summary()
    {
        var output = (await InstallTool.DemoAsync("--once", "--speed", "60")).Succeeded().Output;

        output
            .Should()
            .Contain("export KUBECONFIG=")
            .And.Contain("Suspended: Job/vit-runaway: ")
            .And.Contain("Caught: Job team-vision/vit-runaway");
        output.Should().NotContain("\u001b", "there is no terminal");
        var bursar = Regex.Match(output, "^  (.+) report$", RegexOptions.Multiline).Groups[1].Value;
        File.Exists(bursar).Should().BeTrue("the command '{0} report' runs as it is printed", bursar);
    }

    [Fact]
    public async Task Job_that_is_not_caught_in_time_fails_the_demo()
    {
        using var error = new StringWriter();

        var code = await DemoCommand.RunAsync(
            new()
            {
                Once = true,
                Speed = 0.1,
                Deadline = TimeSpan.FromMilliseconds(300),
            },
            console: null,
            TextWriter.Null,
            error,
            CancellationToken.None
        );

        code.Should().Be(1);
        error.ToString().Should().Contain("was not suspended within");
    }

    [Fact]
    public async Task Kubeconfig_that_is_there_is_never_overwritten()
    {
        var file = Path.Combine(Directory.CreateTempSubdirectory("bursar-test-").FullName, "config");
        await File.WriteAllTextAsync(file, "mine");

        (await DemoCommand.RunAsync(new() { Kubeconfig = file }, console: null, TextWriter.Null, TextWriter.Null, CancellationToken.None))
            .Should()
            .Be(1);

        (await File.ReadAllTextAsync(file)).Should().Be("mine");
    }

    private static Task<V1Job> JobAsync(KubeClient client, string name) =>
        client.GetAsync<V1Job>(name, "team-vision", CancellationToken.None);
}
