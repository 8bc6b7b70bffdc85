using System.Text.Json;
using Bursar.Hosting;
using Bursar.Sandbox.Time;
using Bursar.Tests.TestKit;
using Microsoft.Extensions.Logging;

namespace Bursar.Tests.Unit.Hosting;

public sealed class LoggingTests
{
    private readonly StringWriter _output = new();
    private readonly VirtualTimeProvider _time = new();

    [Fact]
    public void JSON_entry_is_one_object_a_line_with_its_values()
    {
        var logger = Logging.Create(LogFormat.Json, LogLevel.Information, _output, _time).CreateLogger("Bursar.Some.Thing");

        logger.LogWarning(
            new InvalidOperationException("two\nlines"),
            "Suspending failed: {Workload} {Tries} {Level}",
            "Job/a \"x\"",
            3,
            "high"
        );
        logger.LogDebug("not shown");

        var line = _output.ToString().TrimEnd('\n', '\r');
        line.Should().NotContain("\n");
        var entry = JsonDocument.Parse(line).RootElement;
        entry.GetProperty("time").GetString().Should().Be("2026-01-01T00:00:00.000Z");
        entry.GetProperty("level").GetString().Should().Be("warn");
        entry.GetProperty("logger").GetString().Should().Be("Bursar.Some.Thing");
        entry.GetProperty("msg").GetString().Should().Be("Suspending failed: Job/a \"x\" 3 high");
        entry.GetProperty("workload").GetString().Should().Be("Job/a \"x\"");
        entry.GetProperty("tries").GetInt32().Should().Be(3);
        entry.GetProperty("levelValue").GetString().Should().Be("high");
        entry.GetProperty("exception").GetString().Should().Contain("two\nlines");
    }

    [Fact]
    public void Text_entry_is_one_line_also_with_an_exception()
    {
        var loggers = Logging.Create(LogFormat.Text, LogLevel.Debug, _output, _time);

        loggers
            .CreateLogger("Bursar.Some.Thing")
            .LogError(new InvalidOperationException("two\nlines"), "Suspending failed: {Workload}", "Job/a");
        loggers.CreateLogger("Microsoft.AspNetCore.Hosting").LogInformation("chatter");

        _output
            .ToString()
            .TrimEnd('\n', '\r')
            .Should()
            .Be("2026-01-01T00:00:00.000Z error Thing: Suspending failed: Job/a System.InvalidOperationException: two | lines");
    }
}
