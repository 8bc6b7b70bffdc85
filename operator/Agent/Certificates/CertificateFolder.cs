using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Bursar.Concurrency;
using Microsoft.Extensions.Logging;

namespace Bursar.Agent.Certificates;

/// <summary>What serves and what is trusted, read together from one state of the folder.</summary>
public sealed record ServingCertificates(X509Certificate2 Server, X509Certificate2Collection Roots);

/// <summary>
/// A mounted Secret: <c>tls.crt</c>, <c>tls.key</c> and <c>ca.crt</c> (one or more roots). It is looked at every ten seconds and
/// read anew when a file changed; what cannot be read leaves the certificates before in use, and says so.
/// </summary>
public sealed partial class CertificateFolder(string? path, TimeProvider time, ILogger<CertificateFolder> logger)
{
    public static readonly TimeSpan PollInterval = TimeSpan.FromSeconds(10);

    private byte[] _seen = [];
    private volatile ServingCertificates? _current;
    private volatile string? _fault = path is null ? "no certificate directory is configured" : "the certificates are not there yet";

    /// <summary>Null until there are some.</summary>
    public ServingCertificates? Current => _current;

    /// <summary>Why the newest files are not in use, or null.</summary>
    public string? Fault => _fault;

    public Task RunAsync(CancellationToken cancellationToken) =>
        PeriodicLoop.RunAsync(
            time,
            "certificates",
            _ =>
            {
                Check();
                return Task.FromResult(PollInterval);
            },
            cancellationToken,
            first: PollInterval
        );

    public void Check()
    {
        if (path is null)
            return;
        try
        {
            string certificate = File.ReadAllText(Path.Combine(path, "tls.crt"));
            string key = File.ReadAllText(Path.Combine(path, "tls.key"));
            string roots = File.ReadAllText(Path.Combine(path, "ca.crt"));
            byte[] hash = SHA256.HashData(System.Text.Encoding.UTF8.GetBytes($"{certificate}\0{key}\0{roots}"));
            if (hash.AsSpan().SequenceEqual(_seen))
                return;
            var trusted = new X509Certificate2Collection();
            trusted.ImportFromPem(roots);
            if (trusted.Count == 0)
                throw new CryptographicException("ca.crt contains no certificate");
            // The old certificates are not disposed: a handshake may still be using them.
            _current = new ServingCertificates(X509Certificate2.CreateFromPem(certificate, key), trusted);
            _seen = hash;
            _fault = null;
            LogRead(_current.Server.Subject, _current.Server.NotAfter.ToUniversalTime());
        }
        catch (Exception exception)
            when (exception is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
        {
            string sentence =
                _current is null && exception is FileNotFoundException or DirectoryNotFoundException
                    ? "the certificates are not there yet"
                    : $"the certificates in {path} cannot be read: {exception.Message}";
            if (_fault != sentence)
                LogFault(sentence);
            _fault = sentence;
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Certificates: serving as {Subject} until {NotAfter:u}")]
    private partial void LogRead(string subject, DateTime notAfter);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Certificates: {Fault}")]
    private partial void LogFault(string fault);
}
