using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Bursar.Kubernetes.Client;
using Bursar.Sandbox.ApiServer;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.EndToEnd;

/// <summary>The API server accepts the objects of Bursar's kinds in the documents.</summary>
[Collection(InstallCollection.Name)]
public sealed partial class DocumentExampleTests(InstallServers servers)
{
    private static CancellationToken Ct => CancellationToken.None;

    public static TheoryData<bool> Servers => InstallServers.Real;

    [SkippableTheory]
    [MemberData(nameof(Servers))]
    public async Task Examples_of_the_documents_are_accepted(bool real)
    {
        await using var server = await servers.StartAsync(real, Ct);
        await DryRun.OpenAsync(server, "/apis/bursar.dev/v1alpha1/gpupricebooks", "GpuPriceBook", "{currency: USD, rates: []}");
        var refused = new List<string>();
        var sent = 0;

        foreach (
            var (page, yaml) in YamlBlocks().Where(block => block.Yaml.StartsWith("apiVersion: bursar.dev/", StringComparison.Ordinal))
        )
        {
            var example = (JsonObject)YamlBody.Parse(yaml)!;
            var path = (string)example["kind"]! switch
            {
                "GpuBudget" => "namespaces/default/gpubudgets",
                "ClusterGpuBudget" => "clustergpubudgets",
                "GpuBudgetRequest" => "namespaces/default/gpubudgetrequests",
                "InferenceScaler" => "namespaces/default/inferencescalers",
                "GpuPriceBook" => "gpupricebooks",
                var kind => throw new ArgumentOutOfRangeException(nameof(kind), kind, page),
            };
            ((JsonObject)example["metadata"]!).Remove("namespace");
            try
            {
                using var content = new StringContent(example.ToJsonString(), Encoding.UTF8, "application/json");
                await server.Client.RequestAsync(
                    HttpMethod.Post,
                    $"/apis/bursar.dev/v1alpha1/{path}?dryRun=All&fieldValidation=Strict",
                    content,
                    Ct
                );
            }
            catch (ApiException error)
            {
                refused.Add($"{page}: {error.Message}");
            }
            sent++;
        }

        sent.Should().BeGreaterThan(5);
        refused.Should().BeEmpty();
    }

    /// <summary>The YAML documents in the pages.</summary>
    public static IEnumerable<(string Page, string Yaml)> YamlBlocks() =>
        from page in Directory
            .GetFiles(Path.Combine(Repository.Root, "docs"), "*.md", SearchOption.AllDirectories)
            .Append(Path.Combine(Repository.Root, "README.md"))
        from Match block in Block().Matches(File.ReadAllText(page))
        from yaml in Regex.Replace(block.Groups[2].Value, $"^{block.Groups[1].Value}", "", RegexOptions.Multiline).Split("\n---\n")
        select (page, yaml);

    [GeneratedRegex(@"^( *)```yaml\n(.*?)^ *```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Block();
}
