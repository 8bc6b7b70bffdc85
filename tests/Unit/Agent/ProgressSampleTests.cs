using System.Diagnostics;
using Bursar.Core.Usage;
using Bursar.Tests.Unit.Docs;
using Xunit.Abstractions;

namespace Bursar.Tests.Unit.Agent;

/// <summary>
/// The samples of docs/samples, run by python3 against a real agent's door. A framework that the machine lacks is a stub of
/// its callback's base class: then the calls are as documented, and the framework itself is not tried.
/// </summary>
public sealed class ProgressSampleTests(ITestOutputHelper output)
{
    [SkippableTheory]
    [InlineData("plain")]
    [InlineData("pytorch")]
    [InlineData("huggingface")]
    [InlineData("lightning")]
    public async Task A_training_script_reports_its_steps_and_checkpoints(string sample)
    {
        await using var node = await SimulatedNode.StartAsync();
        await node.Client().PutTargetsAsync(new TargetList { Revision = "1", Pods = [SimulatedNode.Pod("u1", "127.0.0.1")] }, default);

        var before = TimeProvider.System.GetUtcNow();
        (await DriveAsync(sample, $"http://{node.Server.Addresses.Pod}/v1/progress")).Should().Be(0);

        // The journal takes a pod's word once a second; the last word is written when its second is over.
        var told = () => node.Server.Journal.Read("n", null).Progress;
        await Eventually.TrueAsync(() => told()[^1].Step == 30, "the end is told");
        told()[0].Should().BeEquivalentTo(new { PodUid = "u1", Step = 1L, Total = 30L, CheckpointAt = (DateTimeOffset?)null }, "other ranks do not report");
        told()[^1].Total.Should().Be(30);
        told()[^1].CheckpointAt.Should().BeCloseTo(before, TimeSpan.FromMinutes(1));
    }

    [SkippableTheory]
    [InlineData("http://127.0.0.1:1/v1/progress")]
    [InlineData("http://no-such-host.invalid:9466/v1/progress")]
    [InlineData("no address at all")]
    public async Task A_report_that_fails_is_harmless(string url) => (await DriveAsync("plain", url)).Should().Be(0);

    [SkippableFact]
    public async Task A_report_that_is_refused_is_harmless()
    {
        await using var node = await SimulatedNode.StartAsync();
        (await DriveAsync("plain", $"http://{node.Server.Addresses.Pod}/v1/progress")).Should().Be(0, "the agent answers 403: it knows no pod of that address");
        node.Server.Journal.Read("n", null).Progress.Should().BeEmpty();
    }

    private async Task<int> DriveAsync(string sample, string url)
    {
        var python = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(folder => Path.Combine(folder, "python3")).FirstOrDefault(File.Exists);
        Skip.If(python is null, "python3 is not on this machine: the samples cannot be run");
        var start = new ProcessStartInfo(python!, [Path.Combine(Repository.Root, "tests/Unit/Agent/python/drive.py"), sample])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment =
            {
                ["PYTHONPATH"] = Path.Combine(Repository.Root, "docs/samples"),
                ["PYTHONDONTWRITEBYTECODE"] = "1",
                ["BURSAR_PROGRESS_URL"] = url,
                ["no_proxy"] = "*",
            },
        };
        using var process = Process.Start(start)!;
        var (said, wrong) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(60));
        output.WriteLine(await said + await wrong);
        return process.ExitCode;
    }
}
