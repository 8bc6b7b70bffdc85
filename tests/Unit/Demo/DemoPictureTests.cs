using Bursar.Api;
using Bursar.Demo;
using Spectre.Console;

namespace Bursar.Tests.Unit.Demo;

public sealed class DemoPictureTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 22, 7, 49, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(80, 24)]
    [InlineData(80, 18)]
    [InlineData(120, 40)]
    public void Picture_fits_the_terminal_with_each_row_in_one_line(int width, int height)
    {
        using var output = new StringWriter();
        var console = AnsiConsole.Create(
            new()
            {
                Ansi = AnsiSupport.No,
                ColorSystem = ColorSystemSupport.NoColors,
                Out = new AnsiConsoleOutput(output),
            }
        );
        (console.Profile.Width, console.Profile.Height) = (width, height);
        string[] log =
        [
            .. Enumerable
                .Range(0, 20)
                .Select(i =>
                    $"+00:00:{i:00}  team-vision/vision  ThresholdReached: 12.29 of 5.00 USD is projected in 2026-11, by all of its work together: 100 % is reached."
                ),
        ];

        console.Write(
            DemoPicture.Draw(
                width,
                height,
                Now,
                [Budget("team-nlp", "nlp", "llama-finetune", "chat"), Budget("team-vision", "vision", "vit-runaway", "resnet-50")],
                log
            )
        );

        var lines = output.ToString().TrimEnd('\n').Split('\n');
        lines.Should().HaveCountLessThan(height).And.OnlyContain(line => line.Length <= width);
        foreach (var row in (string[])["team-nlp/nlp ", "team-vision/vision ", "Job/llama-finetune ", "Job/vit-runaway "])
            lines.Where(line => !line.StartsWith('+')).Should().ContainSingle(line => line.Contains(row, StringComparison.Ordinal));
        lines.Should().Contain(line => line.Contains("WorkloadsSuspended", StringComparison.Ordinal) && line.Contains('▒'));
        lines
            .Should()
            .Contain(line => line.TrimEnd().EndsWith("09:41", StringComparison.Ordinal), "the end of a job is an hour of the same day");
        if (height >= 24)
            string.Join(' ', lines).Should().Contain("+00:00:19");
    }

    private static V1Alpha1GpuBudget Budget(string ns, string name, params string[] jobs) =>
        new()
        {
            Metadata = new() { Namespace = ns, Name = name },
            Status = new()
            {
                State = "WorkloadsSuspended",
                Limit = "60.00",
                Spent = "1234.50",
                Projected = "2828.50",
                BurnRatePerHour = "17.72",
                Percent = 10,
                ProjectedPercent = 60,
                Workloads =
                [
                    .. jobs.Select(job => new GpuBudgetWorkload
                    {
                        Kind = "Job",
                        Name = job,
                        State = "Running",
                        Gpus = 2,
                        Spent = "1.84",
                        Projected = "27.60",
                        Eta = new() { Likely = "2026-11-22T09:41:04Z" },
                    }),
                ],
            },
        };
}
