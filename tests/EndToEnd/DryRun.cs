using System.Text;
using System.Text.Json.Nodes;
using Bursar.Demo;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Sandbox.ApiServer;

namespace Bursar.Tests.EndToEnd;

/// <summary>Objects of one of Bursar's kinds, sent to a server that judges them and keeps none.</summary>
internal sealed record DryRun(InstallServer Server, string Path, string Kind)
{
    private static CancellationToken Ct => CancellationToken.None;

    /// <summary>Installs Bursar's kinds and waits until this one is served.</summary>
    public static async Task<DryRun> OpenAsync(InstallServer server, string path, string kind, string goodSpec)
    {
        foreach (var (_, yaml) in CrdFiles.ReadAll())
            await server.Client.CreateAsync<V1CustomResourceDefinition>((JsonObject)YamlBody.Parse(yaml)!, null, Ct);
        var opened = new DryRun(server, path, kind);
        await server.UntilAsync($"{kind}s are served", async () => (await opened.TryAsync(goodSpec)).Code != 404, Ct);
        return opened;
    }

    /// <summary>The cases whose verdict differs from the schema's: accepted if there is nothing to refuse, else refused with this message.</summary>
    public async Task<IReadOnlyList<string>> WrongAsync(IEnumerable<(string Name, string Spec, string? Refusal)> cases)
    {
        var wrong = new List<string>();
        foreach (var (name, spec, refusal) in cases)
        {
            var (code, message) = await TryAsync(spec);
            if (refusal is null ? code != 0 : code is 0 or >= 500 || !message.Contains(refusal, StringComparison.Ordinal))
                wrong.Add($"{name}: {code} {message[..Math.Min(300, message.Length)]}");
        }
        return wrong;
    }

    public Task<JsonNode?> SendAsync(string spec) =>
        Server.Client.RequestAsync(
            HttpMethod.Post,
            $"{Path}?dryRun=All&fieldValidation=Strict",
            new StringContent(
                $"apiVersion: bursar.dev/v1alpha1\nkind: {Kind}\nmetadata: {{name: t}}\nspec: {spec.Trim().ReplaceLineEndings(" ")}\n",
                Encoding.UTF8,
                "application/yaml"
            ),
            Ct
        );

    /// <summary>0 and the object where it is taken, else the code and the message.</summary>
    private async Task<(int Code, string Message)> TryAsync(string spec)
    {
        try
        {
            return (0, (await SendAsync(spec))!.ToJsonString());
        }
        catch (ApiException error)
        {
            return (error.StatusCode, error.Message);
        }
    }
}
