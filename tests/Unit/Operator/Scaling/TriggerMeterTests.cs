using Bursar.Api;
using Bursar.Operator.Scaling;
using Bursar.Operator.Scaling.Signals;
using Bursar.Sandbox.Time;
using Bursar.Tests.TestKit;
using Bursar.Tests.Unit.Agent;

namespace Bursar.Tests.Unit.Operator.Scaling;

/// <summary>Answers with warnings, from a Prometheus that could not read all of its data.</summary>
public sealed class TriggerMeterTests
{
    private const string Warning = "Prometheus source main: store a: Unavailable";

    [Theory]
    [InlineData(3.0, null, null, null, 3.0)]
    [InlineData(3.0, Warning, null, null, null)]
    [InlineData(3.0, Warning, "false", null, null)]
    [InlineData(3.0, Warning, "true", null, 3.0)]
    [InlineData(null, Warning, null, "true", null)]
    [InlineData(null, Warning, "true", "true", 0.0)]
    [InlineData(null, null, null, "true", 0.0)]
    public async Task Answer_with_warnings_is_a_missing_figure_unless_partial_ones_are_accepted(
        double? value,
        string? warning,
        string? accept,
        string? ignoreNull,
        double? expected
    )
    {
        var time = new VirtualTimeProvider();
        var answer = (value is { } number ? PromAnswer.From(number) : PromAnswer.Empty) with { Warning = warning };
        var poller = new PrometheusPoller((_, _, _) => Task.FromResult(answer), time);
        using var stop = new CancellationTokenSource();
        var running = poller.RunAsync(stop.Token);
        poller.Want("chat", [new("main", "sum(queue)", TimeSpan.FromSeconds(5))]);
        await Eventually.TrueAsync(() => poller.Get("main", "sum(queue)") is not null, "it was asked");

        var metadata = new Dictionary<string, string> { ["query"] = "sum(queue)", ["threshold"] = ".5" };
        if (accept is not null)
            metadata["acceptPartialAnswer"] = accept;
        if (ignoreNull is not null)
            metadata["ignoreNullValues"] = ignoreNull;
        var trigger = TriggerReader.Read(new() { Type = "prometheus", Metadata = metadata }, 0, "triggers[0]", [])!;
        var reading = new TriggerMeter(new(_ => null, time), poller, () => ["main"], time).Read(
            trigger,
            null!,
            [],
            TimeSpan.FromSeconds(5),
            time.GetUtcNow()
        );

        reading.Value.Should().Be(expected);
        if (expected is null)
            reading.Error.Should().Be($"{Warning}: the answer is incomplete (acceptPartialAnswer: \"true\" would accept it)");
        await stop.CancelAsync();
        await running;
    }
}
