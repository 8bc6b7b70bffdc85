using System.CommandLine;
using Bursar.Kube.Client;
using Bursar.Kube.Config;

namespace Bursar.Operator.Commands;

/// <summary>The way from a command line to a cluster: the options that name it, the client, and words for what goes wrong on the way.</summary>
internal sealed class ClusterAccess
{
    public const string DefaultBursarNamespace = "bursar-system";

    private readonly Option<string?> _kubeconfig = new("--kubeconfig") { Description = "The kubeconfig; by default the one kubectl would take." };
    private readonly Option<string?> _context = new("--context") { Description = "The kubeconfig's context." };
    private readonly Option<string> _bursarNamespace = new("--bursar-namespace")
    {
        Description = "The namespace that Bursar itself runs in (BURSAR_NAMESPACE).",
        DefaultValueFactory = _ => Environment.GetEnvironmentVariable("BURSAR_NAMESPACE") is { Length: > 0 } set ? set : DefaultBursarNamespace,
    };

    public void AddTo(Command command)
    {
        command.Options.Add(_kubeconfig);
        command.Options.Add(_context);
        command.Options.Add(_bursarNamespace);
    }

    /// <summary>Runs the command; whatever stops it is one sentence on stderr and exit code 1.</summary>
    public async Task<int> RunAsync(ParseResult parsed, Func<KubeClient, string, Task<int>> act)
    {
        var error = parsed.InvocationConfiguration.Error;
        try
        {
            using var client = new KubeClient(KubeConfig.Load(parsed.GetValue(_kubeconfig), parsed.GetValue(_context)));
            return await act(client, parsed.GetRequiredValue(_bursarNamespace));
        }
        catch (CommandException refused)
        {
            await error.WriteLineAsync($"error: {refused.Message}");
        }
        catch (KubeConfigException missing)
        {
            await error.WriteLineAsync($"error: {missing.Message}");
        }
        catch (ApiException refused)
        {
            await error.WriteLineAsync($"error: the API server says: {refused.Message}");
        }
        catch (Exception broken) when (broken is HttpRequestException or TimeoutException)
        {
            await error.WriteLineAsync($"error: the API server cannot be reached: {broken.Message}");
        }
        return 1;
    }

    /// <summary>Now, by the clock that wrote the cluster's times: the API server's, as far as it has answered already.</summary>
    public static DateTimeOffset NowIn(KubeClient client) => client.ServerTime ?? client.TimeProvider.GetUtcNow();

    /// <summary>A request whose refusal names the right that is missing.</summary>
    public static async Task<T> WithRightAsync<T>(string right, Func<Task<T>> request)
    {
        try
        {
            return await request();
        }
        catch (ApiException refused) when (refused.IsForbidden)
        {
            // A policy's refusal is a 403 too, and says itself who may.
            throw new CommandException(refused.Message.Contains("ValidatingAdmissionPolicy '", StringComparison.Ordinal)
                ? $"a policy refuses it. The API server says: {refused.Message}"
                : $"this needs the right to {right}. The API server says: {refused.Message}");
        }
    }
}
