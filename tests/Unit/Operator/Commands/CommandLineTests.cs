using Bursar.Hosting;
using Bursar.Operator.Commands;

namespace Bursar.Tests.Unit.Operator.Commands;

public sealed class CommandLineTests
{
    [Theory]
    [InlineData("", false)]
    [InlineData("--all", true)]
    [InlineData("--all --dry-run", true)]
    [InlineData("gpub/nlp -n team-nlp", true)]
    [InlineData("gpub/nlp --all", false)]
    [InlineData("gpub/nlp gpub/other", false)]
    [InlineData("cgpub/research", true)]
    [InlineData("cgpub/research -n team-nlp", false)]
    [InlineData("cgpub/research --all", false)]
    public void Release_wants_a_budget_or_all(string line, bool right) =>
        (ReleaseCommand.Create().Parse(line).Errors.Count == 0).Should().Be(right);

    [Theory]
    [InlineData("gpub/nlp", true)]
    [InlineData("gpub/nlp -o json", true)]
    [InlineData("gpub/nlp -o yaml", false)]
    [InlineData("", false)]
    public void Explain_wants_a_budget_and_a_known_form(string line, bool right) =>
        (ExplainCommand.Create().Parse(line).Errors.Count == 0).Should().Be(right);

    [Theory]
    [InlineData("nlp", "GpuBudget team/nlp")]
    [InlineData("gpub/nlp", "GpuBudget team/nlp")]
    [InlineData("gpubudgets.bursar.dev/nlp", "GpuBudget team/nlp")]
    [InlineData("cgpub/research", "ClusterGpuBudget research")]
    [InlineData("clustergpubudget/research", "ClusterGpuBudget research")]
    [InlineData("ClusterGpuBudgets/research", "ClusterGpuBudget research")]
    [InlineData("clustergpubudgets.bursar.dev/research", "ClusterGpuBudget research")]
    [InlineData("cgpub/", null)]
    [InlineData("infs/chat", null)]
    public void Budget_name_is_accepted_as_by_kubectl(string text, string? budget) =>
        BudgetName.TryParse(text, "team")?.ToString().Should().Be(budget);

    [Theory]
    [InlineData("gpub/nlp", "no kubeconfig")]
    [InlineData("job/nlp", "https://127.0.0.1:1")]
    [InlineData("cow/nlp", "names no budget", 2)]
    [InlineData("gpub/", "names no budget", 2)]
    [InlineData("gpub/a/b", "names no budget", 2)]
    public async Task Failed_command_writes_one_sentence_to_stderr(string budget, string sentence, int expected = 1)
    {
        var kubeconfig = Path.Combine(Path.GetTempPath(), $"bursar-unit-{Guid.NewGuid():N}");
        if (sentence != "no kubeconfig")
            await File.WriteAllTextAsync(kubeconfig, Kubeconfig);
        using var output = new StringWriter();
        using var error = new StringWriter();

        var code = await CommandLine.RunAsync(
            RootCommands.Create(),
            ["explain", budget, "--kubeconfig", kubeconfig],
            Failures.Describe,
            new() { Output = output, Error = error }
        );

        File.Delete(kubeconfig);
        code.Should().Be(expected);
        output.ToString().Should().BeEmpty();
        error.ToString().Should().StartWith("error: ").And.Contain(sentence);
        error.ToString().Trim().Should().NotContain("\n");
    }

    private const string Kubeconfig = """
        apiVersion: v1
        kind: Config
        current-context: nowhere
        clusters: [{name: nowhere, cluster: {server: "https://127.0.0.1:1"}}]
        contexts: [{name: nowhere, context: {cluster: nowhere, user: nobody}}]
        users: [{name: nobody, user: {token: none}}]
        """;
}
