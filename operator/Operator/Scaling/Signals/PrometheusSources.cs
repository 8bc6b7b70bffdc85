using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Scaling.Signals;

/// <summary>
/// Queries Prometheus servers for single numbers. The list and its credential files are checked for changes every few seconds. Their
/// content appears in no log and no error. Thread-safe.
/// </summary>
internal sealed partial class PrometheusSources : IDisposable
{
    private static readonly TimeSpan QueryTimeout = TimeSpan.FromSeconds(3);

    private static readonly TimeSpan PollInterval = TimeSpan.FromSeconds(10);

    private const int MaxAnswerBytes = 1024 * 1024;
    private const int MaxErrorLength = 300;

    private readonly string? _file;
    private readonly TimeProvider _time;
    private readonly ILogger<PrometheusSources> _logger;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Link> _links = new(StringComparer.Ordinal);
    private readonly List<Link> _retired = [];
    private IReadOnlyDictionary<string, PrometheusSource> _sources = new Dictionary<string, PrometheusSource>();
    private string? _fault;
    private DateTimeOffset? _checkedAt;

    /// <param name="file">Path of the list; null for none.</param>
    public PrometheusSources(string? file, TimeProvider time, ILogger<PrometheusSources> logger)
    {
        _file = file;
        _time = time;
        _logger = logger;
    }

    public IReadOnlyCollection<string> Names
    {
        get
        {
            lock (_gate)
            {
                Check_NeedsLock();
                return [.. _sources.Keys.Order(StringComparer.Ordinal)];
            }
        }
    }

    /// <summary>Runs an instant query that results in a scalar or in a vector with one element.</summary>
    public async Task<PromAnswer> QueryAsync(string source, string query, CancellationToken cancellationToken)
    {
        Link link;
        lock (_gate)
        {
            Check_NeedsLock();
            if (!_sources.TryGetValue(source, out var found))
            {
                return PromAnswer.Failed(
                    _fault
                        ?? (
                            _sources.Count == 0
                                ? $"there is no Prometheus source {source}: none is configured (the chart's operator.prometheus)"
                                : $"there is no Prometheus source {source}; there are {string.Join(", ", _sources.Keys.Order(StringComparer.Ordinal))}"
                        )
                );
            }
            try
            {
                link = Open_NeedsLock(found);
            }
            // Do not repeat the content of a file, which may be a key.
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                return PromAnswer.Failed($"Prometheus source {source}: a file of its credentials cannot be read: {exception.Message}");
            }
            catch (Exception exception) when (exception is CryptographicException or FormatException or ArgumentException)
            {
                return PromAnswer.Failed($"Prometheus source {source}: a file of its credentials is not what it should be");
            }
        }
        var answer = await QueryAsync(link, query, cancellationToken);
        return answer.Error is { } error ? PromAnswer.Failed($"Prometheus source {source}: {Cut(link.Redact(error))}")
            : answer.Warning is { } warning ? answer with { Warning = $"Prometheus source {source}: {Cut(link.Redact(warning))}" }
            : answer;
    }

    public void Dispose()
    {
        lock (_gate)
        {
            foreach (var link in _links.Values.Concat(_retired))
                link.Client.Dispose();
            _links.Clear();
            _retired.Clear();
        }
    }

    private async Task<PromAnswer> QueryAsync(Link link, string query, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(QueryTimeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, link.Query)
            {
                Content = new FormUrlEncodedContent([
                    new("query", query),
                    new("timeout", QueryTimeout.TotalSeconds.ToString(CultureInfo.InvariantCulture) + "s"),
                ]),
            };
            request.Headers.Authorization = link.Authorization;
            request.Headers.TryAddWithoutValidation("Accept", "application/json");
            request.Headers.TryAddWithoutValidation("User-Agent", "bursar");
            // The handler also checks the certificate for this name.
            if (link.ServerName is { } name)
                request.Headers.Host = name;
            using var response = await link.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, either.Token);
            int status = (int)response.StatusCode;
            if (status is >= 300 and < 400)
                return PromAnswer.Failed($"it answers {status}, a redirect, which is not followed");
            if (await BodyAsync(response, either.Token) is not { } body)
                return PromAnswer.Failed($"it answers more than {MaxAnswerBytes} bytes");
            PromWire? wire = null;
            try
            {
                wire = JsonSerializer.Deserialize(body, PrometheusJson.Default.PromWire);
            }
            catch (JsonException) when (response.IsSuccessStatusCode)
            {
                return PromAnswer.Failed("its answer is not Prometheus JSON");
            }
            catch (JsonException)
            {
                // A proxy may answer with other content. The status code is enough.
            }
            if (wire?.Error is { Length: > 0 } error)
                return PromAnswer.Failed($"{wire.ErrorType ?? "error"}: {error}");
            if (!response.IsSuccessStatusCode)
                return PromAnswer.Failed($"it answers {status} {response.ReasonPhrase}".TrimEnd());
            return wire?.Status == "success"
                ? Number(wire.Data) with
                {
                    Warning = Warning(wire.Warnings),
                }
                : PromAnswer.Failed("its answer is not Prometheus JSON");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return PromAnswer.Failed($"it does not answer within {QueryTimeout.TotalSeconds} s");
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException)
        {
            return PromAnswer.Failed(exception.GetBaseException().Message);
        }
    }

    private static async Task<byte[]?> BodyAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        if (response.Content.Headers.ContentLength > MaxAnswerBytes)
            return null;
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        using var body = new MemoryStream();
        byte[] buffer = new byte[16 * 1024];
        while (await stream.ReadAsync(buffer, cancellationToken) is > 0 and var read)
        {
            if (body.Length + read > MaxAnswerBytes)
                return null;
            body.Write(buffer, 0, read);
        }
        return body.ToArray();
    }

    private static PromAnswer Number(PromData? data)
    {
        if (data?.Result is not { ValueKind: JsonValueKind.Array } result)
            return PromAnswer.Failed("its answer has no result");
        switch (data.ResultType)
        {
            case "scalar":
                return Sample(result);
            case "vector":
                return result.GetArrayLength() switch
                {
                    0 => PromAnswer.Empty,
                    1 when result[0] is { ValueKind: JsonValueKind.Object } one && one.TryGetProperty("value", out var sample) => Sample(
                        sample
                    ),
                    1 => PromAnswer.Failed("the query returns a histogram, not a number"),
                    var several => PromAnswer.Failed(
                        string.Create(
                            CultureInfo.InvariantCulture,
                            $"the query returns {several} series, not one; aggregate them with sum() or max()"
                        )
                    ),
                };
            default:
                return PromAnswer.Failed($"the query returns a {data.ResultType ?? "nothing"}, not a number");
        }
    }

    /// <summary>
    /// Returns the first warning and the number of others, for example of <c>["No StoreAPIs matched for this query"]</c>.
    /// </summary>
    private static string? Warning(JsonElement warnings)
    {
        if (
            warnings.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null
            || warnings.ValueKind == JsonValueKind.Array && warnings.GetArrayLength() == 0
        )
            return null;
        var (first, more) = warnings.ValueKind == JsonValueKind.Array ? (warnings[0], warnings.GetArrayLength() - 1) : (warnings, 0);
        string text = first.ValueKind == JsonValueKind.String ? first.GetString()! : first.GetRawText();
        return more == 0 ? text : string.Create(CultureInfo.InvariantCulture, $"{text} (and {more} more)");
    }

    private static PromAnswer Sample(JsonElement sample)
    {
        if (sample is not { ValueKind: JsonValueKind.Array } || sample.GetArrayLength() != 2 || sample[1].ValueKind != JsonValueKind.String)
            return PromAnswer.Failed("its answer has no number");
        string text = sample[1].GetString()!;
        return text switch
        {
            "NaN" => PromAnswer.From(double.NaN),
            "+Inf" or "Inf" => PromAnswer.From(double.PositiveInfinity),
            "-Inf" => PromAnswer.From(double.NegativeInfinity),
            _ => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value)
                ? PromAnswer.From(value)
                : PromAnswer.Failed("its answer has no number"),
        };
    }

    private static string Cut(string text) => text.Length <= MaxErrorLength ? text : text[..MaxErrorLength] + "…";

    private void Check_NeedsLock()
    {
        var now = _time.GetUtcNow();
        if (_file is null || _checkedAt is { } checkedAt && now >= checkedAt && now - checkedAt < PollInterval)
            return;
        _checkedAt = now;
        // The queries that used these connections have ended since the previous check.
        foreach (var link in _retired)
            link.Client.Dispose();
        _retired.Clear();
        // Changed credentials need a new client.
        foreach (var (name, link) in _links.ToArray())
        {
            if (_sources.TryGetValue(name, out var source) && link.Fingerprint == Fingerprint(source))
                continue;
            _links.Remove(name);
            _retired.Add(link);
        }
        try
        {
            var sources = PrometheusSourceList.Read(File.ReadAllBytes(_file));
            foreach (var (name, link) in _links.ToArray())
            {
                if (sources.TryGetValue(name, out var source) && source == _sources.GetValueOrDefault(name))
                    continue;
                _links.Remove(name);
                _retired.Add(link);
            }
            _sources = sources;
            _fault = null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or FormatException)
        {
            // Keep using the sources that were read before.
            if (_fault != exception.Message)
                LogList(exception.Message);
            _fault = exception.Message;
        }
    }

    private Link Open_NeedsLock(PrometheusSource source)
    {
        if (_links.TryGetValue(source.Name, out var known))
            return known;
        string fingerprint = Fingerprint(source);
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseProxy = false,
            UseCookies = false,
            AutomaticDecompression = DecompressionMethods.None,
            MaxResponseHeadersLength = 32,
            ActivityHeadersPropagator = null,
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            ConnectTimeout = QueryTimeout,
        };
        if (source.CaFile is { } ca)
        {
            var policy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
            };
            policy.CustomTrustStore.ImportFromPem(File.ReadAllText(ca));
            if (policy.CustomTrustStore.Count == 0)
                throw new FormatException("no certificate");
            handler.SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = policy };
        }
        if (source is { CertFile: { } certificate, KeyFile: { } key })
            handler.SslOptions.ClientCertificates = [X509Certificate2.CreateFromPem(File.ReadAllText(certificate), File.ReadAllText(key))];
        var secrets = new List<string>();
        AuthenticationHeaderValue? authorization = null;
        if (source.BearerTokenFile is { } tokenFile)
        {
            string token = File.ReadAllText(tokenFile).Trim();
            secrets.Add(token);
            authorization = new("Bearer", token);
        }
        else if (source is { UsernameFile: { } userFile, PasswordFile: { } passwordFile })
        {
            string password = File.ReadAllText(passwordFile).TrimEnd('\r', '\n');
            string basic = Convert.ToBase64String(Encoding.UTF8.GetBytes($"{File.ReadAllText(userFile).Trim()}:{password}"));
            secrets.AddRange([basic, password]);
            authorization = new("Basic", basic);
        }
        var link = new Link(
            new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan },
            new(source.Address.TrimEnd('/') + "/api/v1/query"),
            authorization,
            source.ServerName,
            secrets,
            fingerprint
        );
        _links.Add(source.Name, link);
        return link;
    }

    /// <summary>Returns a hash of the content of its files. An unreadable file is reported when it is used.</summary>
    private static string Fingerprint(PrometheusSource source)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (string file in source.Files)
        {
            try
            {
                hash.AppendData(SHA256.HashData(File.ReadAllBytes(file)));
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                hash.AppendData("\0"u8);
            }
        }
        return Convert.ToHexString(hash.GetCurrentHash());
    }

    private sealed record Link(
        HttpClient Client,
        Uri Query,
        AuthenticationHeaderValue? Authorization,
        string? ServerName,
        IReadOnlyList<string> Secrets,
        string Fingerprint
    )
    {
        /// <summary>Removes secrets, because a proxy may repeat the request.</summary>
        public string Redact(string text) =>
            Secrets
                .Where(secret => secret.Length > 0)
                .Aggregate(text, (redacted, secret) => redacted.Replace(secret, "…", StringComparison.Ordinal));
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "List of Prometheus sources is invalid: Error={Error}")]
    private partial void LogList(string error);
}
