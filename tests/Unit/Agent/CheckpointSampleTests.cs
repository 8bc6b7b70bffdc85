using System.Diagnostics;
using Bursar.Core.Usage;
using Bursar.Tests.Unit.Docs;
using Xunit.Abstractions;

namespace Bursar.Tests.Unit.Agent;

/// <summary>
/// The samples of docs/samples that save when they are asked to, run by python3 against a real agent's door. A framework that the
/// machine lacks is a stub of its callback's base class.
/// </summary>
public sealed class CheckpointSampleTests(ITestOutputHelper output)
{
    private static readonly DateTimeOffset Requested = new(2026, 11, 20, 10, 0, 0, TimeSpan.Zero);

    [SkippableTheory]
    [InlineData("saves")]
    [InlineData("saves-huggingface")]
    [InlineData("saves-lightning")]
    public async Task A_training_script_saves_when_it_is_asked_and_goes_on(string sample)
    {
        await using var node = await AskingAsync();

        var (code, said) = await DriveAsync(node, sample);

        code.Should().Be(0);
        said.Should().Contain("saved 1\n").And.EndWith("ended 30\n");
        said.Split('\n').Count(line => line.StartsWith("saved", StringComparison.Ordinal)).Should().Be(1, "it is asked once, and other ranks ask nobody");
        var told = node.Server.Journal.Read("n", null).Checkpoints;
        told[0].Should().BeEquivalentTo(new { PodUid = "u1", Id = (string?)null });
        told[^1].Should().BeEquivalentTo(new { PodUid = "u1", Id = "nlp/2026-11-20T10:00:00Z", Step = 1L });
        told[^1].Done.Should().BeCloseTo(TimeProvider.System.GetUtcNow(), TimeSpan.FromMinutes(1));
    }

    [SkippableTheory]
    [InlineData("saves")]
    [InlineData("saves-huggingface")]
    [InlineData("saves-lightning")]
    public async Task A_training_script_saves_on_SIGTERM_and_ends_with_0(string sample)
    {
        await using var node = await SimulatedNode.StartAsync();

        var (code, said) = await DriveAsync(node, sample, "12");

        code.Should().Be(0);
        said.Should().EndWith("saved 12\n").And.NotContain("ended");
    }

    [SkippableFact]
    public async Task What_could_not_be_said_is_said_the_next_time()
    {
        await using var node = await AskingAsync();
        (await DriveAsync(node, "saves-late")).Code.Should().Be(0);
        node.Server.Journal.Read("n", null).Checkpoints[^1].Step.Should().Be(7);
    }

    private static async Task<SimulatedNode> AskingAsync()
    {
        var node = await SimulatedNode.StartAsync();
        node.Server.Targets.Replace(new TargetList
        {
            Pods = [SimulatedNode.Pod("u1", "127.0.0.1") with { Checkpoint = new() { Id = "nlp/2026-11-20T10:00:00Z", Requested = Requested, Deadline = Requested.AddMinutes(5) } }],
        });
        return node;
    }

    private async Task<(int Code, string Said)> DriveAsync(SimulatedNode node, params string[] arguments)
    {
        var python = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(folder => Path.Combine(folder, "python3")).FirstOrDefault(File.Exists);
        Skip.If(python is null, "python3 is not on this machine: the samples cannot be run");
        var start = new ProcessStartInfo(python!, [Path.Combine(Repository.Root, "tests/Unit/Agent/python/drive.py"), .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment =
            {
                ["PYTHONPATH"] = Path.Combine(Repository.Root, "docs/samples"),
                ["PYTHONDONTWRITEBYTECODE"] = "1",
                ["BURSAR_CHECKPOINT_URL"] = $"http://{node.Server.Addresses.Pod}/v1/checkpoint",
            },
        };
        using var process = Process.Start(start)!;
        var (said, wrong) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(60));
        output.WriteLine(await said + await wrong);
        return (process.ExitCode, await said);
    }
}
